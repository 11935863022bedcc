package shop

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxWaiting bounds the requests under way; a customer who finds that many
	// does not enter.
	maxWaiting = 16
	// cycle is the number of requests after which all begins anew.
	cycle          = 60
	requestTimeout = 15 * time.Second
)

// visit is one request of a customer.
type visit struct {
	method, path string
	// form is the body, empty for none.
	form string
}

// visitAt returns the n-th request, from 0. What is rare comes early in the
// cycle, so that the first seconds show everything once.
func visitAt(n int) visit {
	product := strconv.Itoa(1 + n%products)
	switch n % cycle {
	case 1:
		return visit{method: http.MethodGet, path: "/report"}
	case 3:
		return visit{method: http.MethodGet, path: "/shipping/" + strconv.Itoa(n)}
	case 5:
		return visit{method: http.MethodPost, path: "/newsletter"}
	case 7:
		return visit{method: http.MethodPost, path: "/product/" + product + "/description"}
	case 11:
		return visit{method: http.MethodGet, path: "/product/" + product + "/image"}
	case 13, 43:
		return visit{method: http.MethodGet, path: "/version"}
	case 17:
		return visit{method: http.MethodGet, path: "/healthz"}
	case 22:
		// Later than the warming at the start of the shop, so that zombies do
		// not all end at once.
		return visit{method: http.MethodGet, path: "/search"}
	case 9, 29, 49:
		return visit{method: http.MethodGet, path: "/invoice/" + strconv.Itoa(1000+n) + ".pdf"}
	case 4, 24, 44:
		return visit{method: http.MethodPost, path: "/checkout", form: "item=" + product + "&item=3&item=14&coupon=WINTER"}
	case 14, 34, 54:
		return visit{method: http.MethodPost, path: "/checkout", form: "item=" + product}
	}
	return visit{method: http.MethodGet, path: "/product/" + product}
}

// Load visits the shop at url, as [Options.Ready] was told it, o.Rate times a
// second until ctx ends, which is no error, and returns when no request is
// under way. It does not wait for answers: while 16 requests are under way it
// sends none. What fails is logged, the first time as a warning. It returns an
// error for a url that is not that of a loopback address.
func Load(ctx context.Context, url string, o Options) error {
	if err := checkTarget(url); err != nil {
		return fmt.Errorf("visit the shop: %w", err)
	}
	l := &customers{
		url:    strings.TrimSuffix(url, "/"),
		log:    o.log(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxWaiting}, Timeout: requestTimeout},
	}
	defer l.client.CloseIdleConnections()
	var under sync.WaitGroup
	defer under.Wait()
	places := make(chan struct{}, maxWaiting)
	ticker := time.NewTicker(time.Duration(float64(time.Second) / o.rate()))
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case places <- struct{}{}:
			v := visitAt(n)
			under.Go(func() {
				l.visit(ctx, v)
				<-places
			})
		default:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// checkTarget refuses to load anything but this host.
func checkTarget(target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return err
	}
	if u.Scheme != "http" {
		return fmt.Errorf("url %q: not http", target)
	}
	return checkLoopback(u.Host)
}

// customers send requests.
type customers struct {
	url    string
	log    *slog.Logger
	client *http.Client
	warned atomic.Bool
}

func (l *customers) visit(ctx context.Context, v visit) {
	status, err := l.send(ctx, v)
	switch {
	case ctx.Err() != nil, err == nil && status == http.StatusOK:
	case status == http.StatusServiceUnavailable:
		l.log.Debug("the shop was busy", "path", v.path)
	case l.warned.CompareAndSwap(false, true):
		l.log.Warn("a visit failed; further ones are logged at debug level", "path", v.path, "status", status, "error", err)
	default:
		l.log.Debug("a visit failed", "path", v.path, "status", status, "error", err)
	}
}

func (l *customers) send(ctx context.Context, v visit) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, v.method, l.url+v.path, strings.NewReader(v.form))
	if err != nil {
		return 0, err
	}
	if v.form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := l.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}
