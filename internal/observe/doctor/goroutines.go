package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// errNoProfile says that an address answers with something else than a profile.
var errNoProfile = errors.New("the answer is not a profile of goroutines: give the address of net/http/pprof")

// GoroutineCounter returns what counts goroutines by a program's net/http/pprof, whose
// address is a host, with or without /debug/pprof. Each call makes one request, which
// stops that program for a moment, and reads the first line of the
// answer. The error names no operand.
func GoroutineCounter(client *http.Client, address string) (func(ctx context.Context) (int, error), error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("not an address such as http://127.0.0.1:6060")
	}
	base, _, _ := strings.Cut(u.Path, "/debug/pprof")
	u.Path, u.RawQuery, u.Fragment = strings.TrimSuffix(base, "/")+"/debug/pprof/goroutine", "debug=1", ""
	return func(ctx context.Context) (int, error) {
		ctx, stop := context.WithTimeout(ctx, silence)
		defer stop()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return 0, err
		}
		response, err := client.Do(request)
		if err != nil {
			outcome, cause := outcomeOf(err)
			return 0, errors.New(strings.TrimSpace(string(outcome) + " " + cause))
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("status %d", response.StatusCode)
		}
		line, err := bufio.NewReaderSize(response.Body, 256).ReadSlice('\n')
		if err != nil {
			return 0, errNoProfile
		}
		total, ok := strings.CutPrefix(string(line), "goroutine profile: total ")
		n, err := strconv.Atoi(strings.TrimSpace(total))
		if !ok || err != nil || n < 0 {
			return 0, errNoProfile
		}
		return n, nil
	}, nil
}
