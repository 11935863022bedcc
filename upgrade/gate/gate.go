package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
)

// The values of options that are not set.
const (
	// DefaultAgent is where an agent answers that was started without flags.
	DefaultAgent   = "http://127.0.0.1:7788"
	DefaultTimeout = 5 * time.Second
)

// maxAnswer bounds what is read, in bytes.
const maxAnswer = 8 << 20

// Gate decides whether a new process stays: [upgrade.Options.Gate].
type Gate func(ctx context.Context, next upgrade.Candidate) error

// ObjectivesOptions configures [Objectives]. The zero value asks the agent of this host
// for all of its objectives.
type ObjectivesOptions struct {
	// Agent is the URL of the agent; empty means [DefaultAgent].
	Agent string
	// Token is that of the agent, empty for none.
	Token string
	// Service leaves out the objectives of other services, Names those of other names;
	// empty leaves out none.
	Service string
	Names   []string
	// Timeout is how long the agent may take; 0 means [DefaultTimeout].
	Timeout time.Duration
	// Open lets a new version pass when the agent does not answer, has no such objective,
	// or does not know how it stands.
	Open bool
	// Client asks; nil means a client of its own.
	Client *http.Client
}

// Objectives returns a gate that refuses while an objective burns or is exhausted, or one
// of its alerts fires, and when it is not known how one stands. Objectives with too few
// events for a verdict pass, and proposals do not count.
func Objectives(o ObjectivesOptions) Gate {
	if o.Agent == "" {
		o.Agent = DefaultAgent
	}
	a := asker{client: o.Client, token: o.Token, timeout: o.Timeout}
	return func(ctx context.Context, _ upgrade.Candidate) error {
		list, err := a.objectives(ctx, &o)
		if err == nil {
			return judge(list, o.Names)
		}
		if o.Open && ctx.Err() == nil {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrNoVerdict, err)
	}
}

// ErrNoVerdict is that of a gate that refuses as the agent has not said how its objectives
// stand.
var ErrNoVerdict = errors.New("ask the agent how its objectives stand")

// objective is as much of an objective as a gate needs.
type objective struct {
	Name     string   `json:"name"`
	Verdict  string   `json:"verdict"`
	Proposal bool     `json:"proposal"`
	Alerts   []alert  `json:"alerts"`
	Windows  []window `json:"windows"`
	Error    string   `json:"error"`
}

// window is another window of the objective.
type window struct {
	Window  string `json:"window"`
	Verdict string `json:"verdict"`
}

// counts reports whether an objective is one that was asked for.
func (o *objective) counts(names []string) bool {
	return !o.Proposal && (len(names) == 0 || slices.Contains(names, o.Name))
}

type alert struct {
	Severity string  `json:"severity"`
	Burn     float64 `json:"burn"`
	Firing   bool    `json:"firing"`
}

// judge says which objectives are not kept.
func judge(list []objective, names []string) error {
	var broken []string
	for i := range list {
		o := &list[i]
		if !o.counts(names) {
			continue
		}
		if what := o.broken(); what != "" {
			broken = append(broken, o.Name+" "+what)
		}
	}
	if len(broken) > 0 {
		return errors.New("objectives are not kept: " + strings.Join(broken, ", "))
	}
	return nil
}

// broken says how the objective is not kept, "" if it is.
func (o *objective) broken() string {
	is := func(verdict string) bool { return verdict == "burning" || verdict == "exhausted" }
	if is(o.Verdict) {
		return "is " + o.Verdict
	}
	if at := slices.IndexFunc(o.Alerts, func(a alert) bool { return a.Firing }); at >= 0 {
		return fmt.Sprintf("burns more than %gx (%s)", o.Alerts[at].Burn, o.Alerts[at].Severity)
	}
	if at := slices.IndexFunc(o.Windows, func(w window) bool { return is(w.Verdict) }); at >= 0 {
		return fmt.Sprintf("is %s over %s", o.Windows[at].Verdict, o.Windows[at].Window)
	}
	return ""
}

// URL returns a gate that passes when a GET of url is answered with a status from 200 to
// 299 within a time; 0 means [DefaultTimeout]. A client of nil is one of its own.
func URL(url string, timeout time.Duration, client *http.Client) Gate {
	a := asker{client: client, timeout: timeout}
	return func(ctx context.Context, _ upgrade.Candidate) error {
		_, err := a.get(ctx, url, "")
		return err
	}
}

// All returns a gate that passes when all do. They are asked in their order.
func All(gates ...Gate) Gate {
	return func(ctx context.Context, next upgrade.Candidate) error {
		for _, g := range gates {
			if err := g(ctx, next); err != nil {
				return err
			}
		}
		return nil
	}
}

// asker asks a server.
type asker struct {
	client  *http.Client
	token   string
	timeout time.Duration
}

// objectives returns those that the agent knows; that one is missing is an error.
func (a asker) objectives(ctx context.Context, o *ObjectivesOptions) ([]objective, error) {
	at := strings.TrimSuffix(o.Agent, "/") + "/api/v1/slos"
	if o.Service != "" {
		at += "?service=" + neturl.QueryEscape(o.Service)
	}
	text, err := a.get(ctx, at, "application/json")
	if err != nil {
		if status, ok := errors.AsType[statusError](err); ok && status.code == http.StatusNotFound {
			err = fmt.Errorf("it judges no objectives: %w", err)
		}
		return nil, err
	}
	at = redacted(at)
	var answer struct {
		Items *[]objective `json:"items"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Items == nil {
		return nil, fmt.Errorf("%s: is no agent of Goshawk: its answer is no list of objectives", at)
	}
	list := *answer.Items
	for _, name := range o.Names {
		switch i := slices.IndexFunc(list, func(s objective) bool { return s.Name == name }); {
		case i < 0:
			return nil, fmt.Errorf("%s: has no objective %q", at, name)
		case list[i].Proposal:
			return nil, fmt.Errorf("%s: the objective %q is a proposal that nobody has accepted", at, name)
		}
	}
	counted := 0
	for i := range list {
		if !list[i].counts(o.Names) {
			continue
		}
		if counted++; list[i].Error != "" {
			return nil, fmt.Errorf("%s: how the objective %q stands is not known: %s", at, list[i].Name, list[i].Error)
		}
	}
	if counted == 0 {
		return nil, fmt.Errorf("%s: has no objectives", at)
	}
	return list, nil
}

// statusError is an answer with a status that is not good.
type statusError struct {
	url  string
	code int
}

func (e statusError) Error() string {
	return strings.TrimRight(fmt.Sprintf("%s: answers %d %s", e.url, e.code, http.StatusText(e.code)), " ")
}

func redacted(url string) string {
	at, err := neturl.Parse(url)
	if err != nil {
		return url
	}
	return at.Redacted()
}

// get returns the answer to a GET, which is an error unless its status is good.
func (a asker) get(ctx context.Context, url, accept string) ([]byte, error) {
	if a.timeout == 0 {
		a.timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, fmt.Errorf("no answer within %v", a.timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	client := a.client
	if client == nil {
		// A connection of before may lead to the old version.
		transport := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
		client = &http.Client{Transport: transport}
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, because(ctx, err, r.URL)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, because(ctx, err, r.URL)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("%s: answers more than %d MiB", r.URL.Redacted(), maxAnswer>>20)
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return nil, statusError{r.URL.Redacted(), answer.StatusCode}
	}
	return text, nil
}

// because names the URL and the cause of an error once.
func because(ctx context.Context, err error, at *neturl.URL) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%s: %w", at.Redacted(), cause)
	}
	if u, ok := errors.AsType[*neturl.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", at.Redacted(), err)
}
