package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// silence is how long an answer may take: the same as package startup's rule waits.
const silence = 5 * time.Second

// Asker asks servers for a sign of life.
type Asker struct {
	// Client makes the requests; it must not follow redirects.
	Client *http.Client
	// Timeout is for each answer; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock.
	Now func() time.Time
}

// ask asks all proxies at once, and then the checksum database where no proxy answers
// for it.
func (a *Asker) ask(ctx context.Context, g *Environment) {
	name, direct := sumDB(g.value("GOSUMDB"))
	list := proxies(g.value("GOPROXY"))
	g.Proxies = make([]Reached, len(list))
	var wait sync.WaitGroup
	for i, p := range list {
		wait.Go(func() {
			address := p.url.String()
			if name != "" {
				address = p.url.JoinPath("sumdb", name, "supported").String()
			}
			g.Proxies[i] = a.reach(ctx, address, p.host)
			g.Proxies[i].FallsThrough = p.fallsThrough
		})
	}
	wait.Wait()
	for _, p := range g.Proxies {
		if name != "" && p.Outcome == Answered && p.Status == http.StatusOK {
			g.SumDBByProxy = p.Host
			return
		}
	}
	// With a proxy that is dead, or none that is asked, its name need not be known here.
	if direct == nil || strings.TrimSpace(g.value("GOPROXY")) == "off" {
		return
	}
	if hosts := startup.GoProxies(direct.String()); len(hosts) == 1 {
		r := a.reach(ctx, direct.JoinPath("latest").String(), hosts[0])
		g.SumDB = &r
	}
}

// proxy is one of a value of GOPROXY.
type proxy struct {
	url  *url.URL // without those who ask
	host string
	// fallsThrough says that what follows is asked after any error.
	fallsThrough bool
}

// proxies reads a value of GOPROXY; what is not asked over HTTP is left out.
func proxies(value string) []proxy {
	var list []proxy
	for value != "" {
		entry, separator := value, byte(0)
		if at := strings.IndexAny(value, ",|"); at >= 0 {
			entry, separator, value = value[:at], value[at], value[at+1:]
		} else {
			value = ""
		}
		entry = strings.TrimSpace(entry)
		hosts := startup.GoProxies(entry)
		if len(hosts) != 1 {
			if entry == "direct" || entry == "off" {
				break // nothing after it is asked
			}
			continue
		}
		if !strings.Contains(entry, ":/") {
			entry = "https://" + entry
		}
		u, err := url.Parse(entry)
		if err != nil {
			continue
		}
		u.User = nil
		list = append(list, proxy{url: u, host: hosts[0], fallsThrough: separator == '|'})
	}
	return list
}

// sumDB reads a value of GOSUMDB: "name", "name+key", either with an address after it.
// It returns no address when there is none to ask.
func sumDB(value string) (name string, direct *url.URL) {
	fields := strings.Fields(value)
	if len(fields) == 0 || fields[0] == "off" {
		return "", nil
	}
	name, _, _ = strings.Cut(fields[0], "+")
	address := "https://" + name
	if name == "sum.golang.google.cn" {
		// The go command knows it as another address of the same database.
		name = "sum.golang.org"
	}
	if len(fields) > 1 {
		address = fields[1]
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return name, nil
	}
	u.User = nil
	return name, u
}

// reach makes one request and reads nothing of the answer but its status.
func (a *Asker) reach(ctx context.Context, address, host string) Reached {
	r, timeout := Reached{Host: host}, a.Timeout
	if timeout <= 0 {
		timeout = silence
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	begin := a.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		r.Outcome, r.Cause = Unreachable, "not an address"
		return r
	}
	response, err := a.Client.Do(request)
	r.Took = a.Now().Sub(begin)
	if err == nil {
		response.Body.Close()
		r.Outcome, r.Status = Answered, response.StatusCode
		return r
	}
	r.Outcome, r.Cause = outcomeOf(err)
	return r
}

// outcomeOf tells why a request had no answer, without the address that was asked.
func outcomeOf(err error) (Outcome, string) {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, ""
	case errors.As(err, &dns) && !dns.IsTimeout:
		return Unreachable, "its name is not known (" + dns.Err + ")"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Silent, ""
	}
	return Unreachable, err.Error()
}
