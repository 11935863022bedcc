package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// tracePath is where net/http/pprof serves traces.
const tracePath = "/debug/pprof/trace"

// Endpoint completes the URL of a service, of its pprof index or of its trace to that
// of a trace of so many seconds. With 0 the seconds stay those that the URL has. A
// URL with any other path is left as it is: what it leads to may be a stored trace.
func Endpoint(text string, seconds int) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		return nil, &Error{URL: text, Err: errors.New("is not a URL"), Hint: "write http://HOST:PORT, where HOST:PORT serves net/http/pprof"}
	}
	u, err := url.Parse(text)
	if err != nil {
		// What cannot be parsed may hold a password, hence it is not repeated.
		cause := err
		if parse := (*url.Error)(nil); errors.As(err, &parse) {
			cause = parse.Err
		}
		return nil, &Error{URL: "the URL", Err: cause, Hint: "write http://HOST:PORT"}
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &Error{URL: u.Redacted(), Err: fmt.Errorf("scheme %q is neither http nor https", u.Scheme), Hint: "write http://HOST:PORT"}
	case u.Hostname() == "":
		return nil, &Error{URL: u.Redacted(), Err: errors.New("names no host"), Hint: "write http://HOST:PORT"}
	}
	u.Fragment, u.RawFragment = "", ""
	switch path := strings.TrimRight(u.Path, "/"); {
	case path == "":
		u.Path, u.RawPath = tracePath, ""
	case strings.HasSuffix(path, "/pprof"):
		u.Path, u.RawPath = path+"/trace", ""
	case !strings.HasSuffix(path, "/pprof/trace"):
		return u, nil
	}
	if seconds > 0 {
		q := u.Query()
		q.Set("seconds", strconv.Itoa(seconds))
		u.RawQuery = q.Encode()
	}
	return u, nil
}

// maxAsked is the longest trace that a URL may ask for: an hour.
const maxAsked = time.Hour

// asked returns how long the trace of a URL is: pprof reads seconds as a floating
// point number, and takes 1 where there is none.
func asked(u *url.URL) time.Duration {
	seconds, err := strconv.ParseFloat(u.Query().Get("seconds"), 64)
	if err != nil || !(seconds > 0) {
		return time.Second
	}
	return time.Duration(min(seconds, maxAsked.Seconds()) * float64(time.Second))
}

// sibling returns the URL of another page of the same pprof, and false when the URL
// is not pprof's trace.
func sibling(u *url.URL, page string) (*url.URL, bool) {
	base, ok := strings.CutSuffix(strings.TrimRight(u.Path, "/"), "/pprof/trace")
	if !ok {
		return nil, false
	}
	other := *u
	other.Path, other.RawPath, other.RawQuery = base+"/pprof/"+page, "", ""
	return &other, true
}
