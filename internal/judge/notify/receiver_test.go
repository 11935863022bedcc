package notify

import (
	"strings"
	"testing"
)

func TestParseMatcher(t *testing.T) {
	shop := map[string]string{"service": "shop", "team": "web"}
	tests := []struct {
		text string
		want bool
		err  string
	}{
		{"service=shop", true, ""},
		{"service=sho", false, ""},
		{` service = "shop" `, true, ""},
		{"service!=shop", false, ""},
		{"service!=cart", true, ""},
		{"service=~sh.p", true, ""},
		{"service=~sh", false, ""},
		{"service=~cart|shop", true, ""},
		{"service=~cart|sho", false, ""},
		{"service!~cart|sho", true, ""},
		{"service!~s.*", false, ""},
		{"absent=", true, ""},
		{"absent!=", false, ""},
		{`absent=~".*"`, true, ""},
		{"", false, "has no operator after the label"},
		{"=x", false, "has no operator after the label"},
		{"service", false, "has no operator after the label"},
		{"service!shop", false, `has "", which is no operator`},
		{"a b=c", false, "has a b, which is no name of a label"},
		{"a=~(", false, "has no regular expression: error parsing regexp: missing closing ): `(`"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			m, err := ParseMatcher(tt.text)
			if got := errorText(err); got != tt.err {
				t.Fatalf("the error is %q, want %q", got, tt.err)
			}
			if err == nil && m.compile()(shop) != tt.want {
				t.Errorf("%+v: got %v", m, !tt.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReceiver_filter(t *testing.T) {
	matcher := func(text string) Matcher {
		m, err := ParseMatcher(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	tests := []struct {
		name     string
		receiver Receiver
		told     []string // by the alert
		want     bool
	}{
		{"all by default", Receiver{}, nil, true},
		{"a severity", Receiver{Severities: []string{"ticket", "page"}}, nil, true},
		{"another severity", Receiver{Severities: []string{"ticket"}}, nil, false},
		{"a matcher", Receiver{Matchers: []Matcher{matcher("team=web")}}, nil, true},
		{"one of two matchers", Receiver{Matchers: []Matcher{matcher("team=web"), matcher("slo=y")}}, nil, false},
		{"the alert names it", Receiver{}, []string{"a", "pager"}, true},
		{"the alert names others", Receiver{}, []string{"a"}, false},
		{"the alert names it, and it wants others", Receiver{Severities: []string{"ticket"}}, []string{"pager"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.receiver.Name = "pager"
			a := burning("x")
			a.Receivers = tt.told
			a = a.complete(noon)
			if got := tt.receiver.filter()(&a); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestReceiver_Validate(t *testing.T) {
	webhook := func(w Webhook) Receiver { return Receiver{Name: "r", Webhook: &w} }
	manager := func(a Alertmanager) Receiver { return Receiver{Name: "r", Alertmanager: &a} }
	tests := []struct {
		name     string
		receiver Receiver
		want     string // a part of the error, empty for none
	}{
		{"a webhook", webhook(Webhook{URL: "http://a"}), ""},
		{"a reference", webhook(Webhook{URL: "${URL}/x", Headers: map[string]Secret{"A": "${file:/a}"}}), ""},
		{"a command", Receiver{Name: "r", Command: &Command{Path: "/x"}}, ""},
		{"a cluster", manager(Alertmanager{URLs: []Secret{"http://a", "http://b"}}), ""},
		{"no name", Receiver{Webhook: &Webhook{URL: "http://a"}}, "name: is empty"},
		{"nothing", Receiver{Name: "r"}, "has 0 of them, not one"},
		{"two", Receiver{Name: "r", Webhook: &Webhook{URL: "http://a"}, Command: &Command{Path: "/x"}}, "has 2 of them, not one"},
		{"no URL", webhook(Webhook{}), "webhook.url: does not begin with http"},
		{"a bad header", webhook(Webhook{URL: "http://a", Headers: map[string]Secret{"content-length": "5"}}), "the header content-length belongs to the request itself"},
		{"a bad value", webhook(Webhook{URL: "http://a", Headers: map[string]Secret{"A": "${"}}), "the header A has a ${ that is not closed"},
		{"half a pair", webhook(Webhook{URL: "http://a", TLS: &TLS{CertFile: "/x"}}), "tls has a certificate or a key without the other"},
		{"a negative timeout", webhook(Webhook{URL: "http://a", Timeout: -1}), "the timeout is negative"},
		{"a negative repeat", Receiver{Name: "r", RepeatEvery: -1, Command: &Command{Path: "/x"}}, "repeatEvery: is negative"},
		{"a relative command", Receiver{Name: "r", Command: &Command{Path: "x", Timeout: -1}}, "command.path: x is no absolute path"},
		{"no member", manager(Alertmanager{}), "alertmanager.urls: there is none"},
		{"a member twice", manager(Alertmanager{URLs: []Secret{"http://a", "http://a"}}), "alertmanager.urls: one is there twice"},
		{"a password and a token", manager(Alertmanager{URLs: []Secret{"http://a"}, Username: "u", Bearer: "t"}), "has a bearer token and a password"},
		{"a bad matcher", Receiver{Name: "r", Matchers: []Matcher{{Label: "a", Op: "=~", Value: "("}}, Command: &Command{Path: "/x"}}, "matchers: has no regular expression"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := errorText(tt.receiver.Validate())
			if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNew_refusesWhatIsWrong(t *testing.T) {
	good := Receiver{Name: "r", Command: &Command{Path: "/x"}}
	if _, err := New(Options{Receivers: []Receiver{good, good}}); errorText(err) != "receiver r: is there twice" {
		t.Errorf("the error is %v", err)
	}
	n, err := New(Options{Receivers: []Receiver{good}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Set([]Receiver{{Name: "x"}}); err == nil {
		t.Error("a receiver that tells nobody is taken")
	}
	if s := n.Stats(); len(s) != 1 || s[0].Receiver != "r" || s[0].Kind != "command" {
		t.Errorf("after it the receivers are %+v", s)
	}
}
