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
	// Open lets a new version pass when the agent does not answer, or has no such
	// objective.
	Open bool
	// Client asks; nil means a client of its own.
	Client *http.Client
}

// Objectives returns a gate that refuses while an objective burns or is exhausted, or one
// of its alerts fires. Objectives with too few events for a verdict pass, and proposals
// do not count.
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
		return fmt.Errorf("ask the agent how its objectives stand: %w", err)
	}
}

// objective is as much of an objective as a gate needs.
type objective struct {
	Name     string  `json:"name"`
	Verdict  string  `json:"verdict"`
	Proposal bool    `json:"proposal"`
	Alerts   []alert `json:"alerts"`
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
		if o.Proposal || len(names) > 0 && !slices.Contains(names, o.Name) {
			continue
		}
		switch at := slices.IndexFunc(o.Alerts, func(a alert) bool { return a.Firing }); {
		case o.Verdict == "burning" || o.Verdict == "exhausted":
			broken = append(broken, fmt.Sprintf("%s is %s", o.Name, o.Verdict))
		case at >= 0:
			broken = append(broken, fmt.Sprintf("%s burns more than %gx (%s)", o.Name, o.Alerts[at].Burn, o.Alerts[at].Severity))
		}
	}
	if len(broken) > 0 {
		return errors.New("objectives are not kept: " + strings.Join(broken, ", "))
	}
	return nil
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
		return nil, err
	}
	var answer struct {
		Items *[]objective `json:"items"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Items == nil {
		return nil, fmt.Errorf("%s: is no agent of Goshawk: its answer is no list of objectives", at)
	}
	list := *answer.Items
	for _, name := range o.Names {
		if !slices.ContainsFunc(list, func(s objective) bool { return s.Name == name }) {
			return nil, fmt.Errorf("%s: has no objective %q", at, name)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: has no objectives", at)
	}
	return list, nil
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
		return nil, fmt.Errorf("%s: answers %s", r.URL.Redacted(), answer.Status)
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
