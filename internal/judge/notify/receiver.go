package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The defaults of a receiver.
const (
	DefaultRepeat         = 4 * time.Hour
	DefaultTimeout        = 10 * time.Second
	DefaultCommandTimeout = 30 * time.Second
)

// Receiver is somebody to be told of alerts. Exactly one of Webhook, Command
// and Alertmanager is not nil.
type Receiver struct {
	// Name is unique among all.
	Name string

	Webhook      *Webhook
	Command      *Command
	Alertmanager *Alertmanager

	// Severities are those that it is told of; none stands for all.
	Severities []string
	// Matchers must all match an alert's labels.
	Matchers []Matcher
	// RepeatEvery is how long after a delivery an alert that still fires is told
	// of again; 0 is [DefaultRepeat]. An Alertmanager is told each minute
	// instead, and repeats as it is configured.
	RepeatEvery time.Duration
	// OmitResolved leaves out that an alert ended. An Alertmanager is always told.
	OmitResolved bool
}

// Webhook is a server that takes the JSON of Alertmanager's webhook by POST.
type Webhook struct {
	URL     Secret
	Headers map[string]Secret
	// Timeout is that of an attempt; 0 is [DefaultTimeout].
	Timeout time.Duration
	TLS     *TLS
}

// Command is a program that is run for each notification, without a shell: with
// the JSON of a webhook on stdin, and GOSHAWK_STATE and others in its
// environment.
type Command struct {
	// Path is absolute.
	Path string
	Args []string
	// Timeout is when it is killed, with its process group; 0 is
	// [DefaultCommandTimeout].
	Timeout time.Duration
}

// Alertmanager is a cluster of Prometheus Alertmanagers.
type Alertmanager struct {
	// URLs are those of all its members, without /api/v2/alerts; each is told.
	URLs []Secret
	// Username and Password are for basic authentication, Bearer is a token;
	// they are empty for none.
	Username         string
	Password, Bearer Secret
	Headers          map[string]Secret
	// Timeout is that of an attempt; 0 is [DefaultTimeout].
	Timeout time.Duration
	TLS     *TLS
}

// TLS says whom to trust and who one is; nil and the zero value trust the
// system's authorities. The files are PEM.
type TLS struct {
	CAFile            string
	CertFile, KeyFile string
	ServerName        string
	// SkipVerify trusts everybody.
	SkipVerify bool
}

// Matcher selects alerts by a label; what an alert does not have is empty.
type Matcher struct {
	Label string
	// Op is "=", "!=", "=~" or "!~".
	Op string
	// Value is a text, or a regular expression (RE2) that matches all of it.
	Value string
}

// ParseMatcher reads a matcher as Alertmanager writes it: label=value, with
// the value in double quotes or not. The error completes the sentence "the
// matcher ...".
func ParseMatcher(text string) (Matcher, error) {
	i := strings.IndexAny(text, "=!")
	if i <= 0 {
		return Matcher{}, errors.New("has no operator after the label")
	}
	m := Matcher{Label: strings.TrimSpace(text[:i])}
	for _, op := range []string{"=~", "!~", "!=", "="} {
		if value, ok := strings.CutPrefix(text[i:], op); ok {
			m.Op, m.Value = op, strings.TrimSpace(value)
			break
		}
	}
	if len(m.Value) > 1 && m.Value[0] == '"' && m.Value[len(m.Value)-1] == '"' {
		m.Value = m.Value[1 : len(m.Value)-1]
	}
	return m, m.Validate()
}

// Validate says what is wrong. The error completes the sentence "the matcher
// ...".
func (m Matcher) Validate() error {
	switch {
	case m.Label == "" || labelOf(m.Label) != m.Label:
		return fmt.Errorf("has %s, which is no name of a label", show(m.Label))
	case !slices.Contains([]string{"=", "!=", "=~", "!~"}, m.Op):
		return fmt.Errorf("has %s, which is no operator", show(m.Op))
	case strings.HasSuffix(m.Op, "~"):
		if _, err := regexp.Compile(m.Value); err != nil {
			return fmt.Errorf("has no regular expression: %w", err)
		}
	}
	return nil
}

// compile returns what decides. The matcher is valid.
func (m Matcher) compile() func(labels map[string]string) bool {
	matches := func(value string) bool { return value == m.Value }
	if strings.HasSuffix(m.Op, "~") {
		matches = regexp.MustCompile("^(?s:" + m.Value + ")$").MatchString
	}
	want := !strings.HasPrefix(m.Op, "!")
	return func(labels map[string]string) bool { return matches(labels[m.Label]) == want }
}

// filter returns whether an alert is for the receiver, which is valid.
func (r *Receiver) filter() func(*Alert) bool {
	var matchers []func(map[string]string) bool
	for _, m := range r.Matchers {
		matchers = append(matchers, m.compile())
	}
	return func(a *Alert) bool {
		if len(a.Receivers) > 0 && !slices.Contains(a.Receivers, r.Name) {
			return false
		}
		if len(r.Severities) > 0 && !slices.Contains(r.Severities, a.Labels[labelSeverity]) {
			return false
		}
		return !slices.ContainsFunc(matchers, func(matches func(map[string]string) bool) bool { return !matches(a.Labels) })
	}
}

// kind returns what sort of receiver it is, for people.
func (r *Receiver) kind() string {
	switch {
	case r.Webhook != nil:
		return "webhook"
	case r.Command != nil:
		return "command"
	}
	return "alertmanager"
}

// Clone returns a copy that shares nothing with r.
func (r Receiver) Clone() Receiver {
	r.Severities, r.Matchers = slices.Clone(r.Severities), slices.Clone(r.Matchers)
	if w := r.Webhook; w != nil {
		copied := *w
		copied.Headers, copied.TLS = maps.Clone(w.Headers), w.TLS.clone()
		r.Webhook = &copied
	}
	if c := r.Command; c != nil {
		copied := *c
		copied.Args = slices.Clone(c.Args)
		r.Command = &copied
	}
	if a := r.Alertmanager; a != nil {
		copied := *a
		copied.URLs, copied.Headers, copied.TLS = slices.Clone(a.URLs), maps.Clone(a.Headers), a.TLS.clone()
		r.Alertmanager = &copied
	}
	return r
}

func (t *TLS) clone() *TLS {
	if t == nil {
		return nil
	}
	copied := *t
	return &copied
}

// Validate returns all that is wrong with r; the errors show no secret.
func (r Receiver) Validate() error {
	var errs []error
	add := func(field string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("receiver %s: %s: %w", show(r.Name), field, err))
		}
	}
	if r.Name == "" {
		add("name", errors.New("is empty"))
	}
	if n := r.destinations(); n != 1 {
		add("webhook, command, alertmanager", fmt.Errorf("has %d of them, not one", n))
	}
	for _, m := range r.Matchers {
		add("matchers", m.Validate())
	}
	if r.RepeatEvery < 0 {
		add("repeatEvery", errors.New("is negative"))
	}
	if w := r.Webhook; w != nil {
		add("webhook.url", w.URL.ValidateURL())
		add("webhook", validateRequest(w.Headers, w.Timeout, w.TLS))
	}
	if c := r.Command; c != nil {
		if !filepath.IsAbs(c.Path) {
			add("command.path", fmt.Errorf("%s is no absolute path", show(c.Path)))
		}
		if c.Timeout < 0 {
			add("command.timeout", errors.New("is negative"))
		}
	}
	if a := r.Alertmanager; a != nil {
		if len(a.URLs) == 0 {
			add("alertmanager.urls", errors.New("there is none"))
		}
		for i, u := range a.URLs {
			add("alertmanager.urls", u.ValidateURL())
			if slices.Contains(a.URLs[:i], u) {
				add("alertmanager.urls", errors.New("one is there twice"))
			}
		}
		if a.Bearer != "" && (a.Username != "" || a.Password != "") {
			add("alertmanager", errors.New("has a bearer token and a password"))
		}
		add("alertmanager.password", a.Password.Validate())
		add("alertmanager.bearer", a.Bearer.Validate())
		add("alertmanager", validateRequest(a.Headers, a.Timeout, a.TLS))
	}
	return errors.Join(errs...)
}

func (r *Receiver) destinations() int {
	n := 0
	for _, there := range []bool{r.Webhook != nil, r.Command != nil, r.Alertmanager != nil} {
		if there {
			n++
		}
	}
	return n
}

func validateRequest(headers map[string]Secret, timeout time.Duration, t *TLS) error {
	var errs []error
	for name, value := range headers {
		if err := ValidateHeader(name); err != nil {
			errs = append(errs, fmt.Errorf("the header %s %w", show(name), err))
		}
		if err := value.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("the header %s %w", show(name), err))
		}
	}
	if timeout < 0 {
		errs = append(errs, errors.New("the timeout is negative"))
	}
	if t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("tls has a certificate or a key without the other"))
	}
	return errors.Join(errs...)
}

// ValidateHeader says what is wrong with the name of a header that is to be
// sent. The error completes the sentence "the header ...".
func ValidateHeader(name string) error {
	reserved := []string{"Connection", "Content-Length", "Content-Type", "Host", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }):
		return errors.New("is no name of a header")
	case slices.Contains(reserved, http.CanonicalHeaderKey(name)):
		return errors.New("belongs to the request itself")
	}
	return nil
}

// isToken reports whether r may be in the name of a header.
func isToken(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// destinationKey names, without showing a secret, to whom a destination of the
// receiver leads. What that one was told is remembered by it; a new URL has been
// told nothing.
func (r *Receiver) destinationKey(where ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(where, "\x00")))
	return r.Name + " " + r.kind() + " " + hex.EncodeToString(sum[:8])
}
