package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// receiverFile is a document about a receiver; spec is indented already, and its
// first line is the sixth.
func receiverFile(name, spec string) string {
	return "apiVersion: goshawk.io/v1\nkind: Receiver\nmetadata:\n  name: " + name + "\nspec:\n" + spec
}

func TestLoad_readsReceivers(t *testing.T) {
	tests := []struct {
		name, spec string
		want       notify.Receiver
	}{
		{"a webhook", "  webhook: {url: 'http://bridge:8080/x'}\n", notify.Receiver{Webhook: &notify.Webhook{URL: "http://bridge:8080/x"}}},
		{"a webhook with everything", `  webhook:
    url: ${file:/run/secrets/url}
    headers: {x-team: shop, Authorization: "Bearer ${TOKEN}"}
    timeout: 3s
    tls: {caFile: /ca.pem, certFile: /c.pem, keyFile: /k.pem, serverName: bridge, insecureSkipVerify: true}
  severities: [page, ticket]
  matchers: [team=shop, 'service=~"a|b"', "x!=", y!~z]
  repeatEvery: 30m
  sendResolved: false
`, notify.Receiver{
			Webhook: &notify.Webhook{
				URL: "${file:/run/secrets/url}", Headers: map[string]notify.Secret{"X-Team": "shop", "Authorization": "Bearer ${TOKEN}"}, Timeout: 3 * time.Second,
				TLS: &notify.TLS{CAFile: "/ca.pem", CertFile: "/c.pem", KeyFile: "/k.pem", ServerName: "bridge", SkipVerify: true},
			},
			Severities: []string{"page", "ticket"}, RepeatEvery: 30 * time.Minute, OmitResolved: true,
			Matchers: []notify.Matcher{{Label: "team", Op: "=", Value: "shop"}, {Label: "service", Op: "=~", Value: "a|b"}, {Label: "x", Op: "!="}, {Label: "y", Op: "!~", Value: "z"}},
		}},
		{"a command", "  command: {path: /bin/notify, args: [--to, ' x ', '', \"a\\nb\"], timeout: 1h}\n",
			notify.Receiver{Command: &notify.Command{Path: "/bin/notify", Args: []string{"--to", " x ", "", "a\nb"}, Timeout: time.Hour}}},
		{"the defaults, written", "  command: {path: /bin/notify, timeout: 30s}\n  repeatEvery: 4h\n  sendResolved: true\n",
			notify.Receiver{Command: &notify.Command{Path: "/bin/notify"}}},
		{"an Alertmanager", "  alertmanager: {urls: [\"http://a:9093\", \"${B}\"], basicAuth: {username: u, password: p}}\n",
			notify.Receiver{Alertmanager: &notify.Alertmanager{URLs: []notify.Secret{"http://a:9093", "${B}"}, Username: "u", Password: "p"}}},
		{"an Alertmanager with a token", "  alertmanager: {urls: [\"http://a:9093\"], bearer: t, headers: {X-Scope-OrgID: shop}, timeout: 100ms, tls: {caFile: /ca.pem}}\n",
			notify.Receiver{Alertmanager: &notify.Alertmanager{
				URLs: []notify.Secret{"http://a:9093"}, Bearer: "t", Headers: map[string]notify.Secret{"X-Scope-Orgid": "shop"}, Timeout: 100 * time.Millisecond,
				TLS: &notify.TLS{CAFile: "/ca.pem"},
			}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load([]string{write(t, "a.yaml", probeFile("pager", "")+"---\n"+receiverFile("pager", tt.spec))}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Name = "pager"
			if got := c.Receivers(); !reflect.DeepEqual(got, []notify.Receiver{tt.want}) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if err := tt.want.Validate(); err != nil {
				t.Errorf("the receiver is not valid: %v", err)
			}
		})
	}
}

func TestLoad_refusesReceivers(t *testing.T) {
	tests := []struct {
		name, spec string
		want       []string
	}{
		{"nobody to tell", "  severities: [page]\n", []string{"6:3: spec: has none of webhook, command, alertmanager"}},
		{"nothing at all", "", []string{"5:6: spec: has none of webhook, command, alertmanager"}},
		{"a list", "  - webhook\n", []string{"6:3: spec: is a list, not an object"}},
		{"two ways", "  webhook: {url: 'http://a'}\n  command: {path: /x}\n", []string{"7:3: spec.command: there is webhook already"}},
		{"a webhook of nothing", "  webhook:\n", []string{"6:11: spec.webhook.url: is missing"}},
		{"a path that is relative", "  command: {path: bin/notify}\n", []string{"6:19: spec.command.path: bin/notify: is no absolute path"}},
		{"an argument that is a number", "  command: {path: /x, args: [1, \"a\\0b\"]}\n", []string{
			"6:30: spec.command.args[0]: 1: is a number, not a text", `6:33: spec.command.args[1]: "a\x00b": has a zero byte`}},
		{"times out of bounds", "  command: {path: /x, timeout: 2h}\n  repeatEvery: 1s\n", []string{
			"6:32: spec.command.timeout: 2h: is not from 100ms to 1h", "7:16: spec.repeatEvery: 1s: is not from 1m to 168h"}},
		{"severities twice", "  command: {path: /x}\n  severities: [page, page]\n", []string{"7:22: spec.severities[1]: page: is there twice"}},
		{"matchers that are none", "  command: {path: /x}\n  matchers: [team, 9a=b, 'a=~[', a]\n", []string{
			"7:14: spec.matchers[0]: team: has no operator after the label", "7:20: spec.matchers[1]: 9a=b: has 9a, which is no name of a label",
			"7:26: spec.matchers[2]: a=~[: has no regular expression: error parsing regexp: missing closing ]: `[`", "7:34: spec.matchers[3]: a: has no operator after the label"}},
		{"an Alertmanager that is to be silent", "  alertmanager: {urls: ['http://a']}\n  repeatEvery: 1h\n  sendResolved: false\n", []string{
			"7:3: spec.repeatEvery: it is for the Alertmanager to decide", "8:3: spec.sendResolved: it is for the Alertmanager to decide"}},
		{"an Alertmanager without members", "  alertmanager: {urls: []}\n", []string{"6:24: spec.alertmanager.urls: is an empty list"}},
		{"a key without a certificate", "  webhook: {url: 'http://a', tls: {keyFile: /k}}\n", []string{"6:35: spec.webhook.tls: has one without the other"}},
		{"a token and a password", "  alertmanager: {urls: ['http://a'], bearer: t, basicAuth: {username: u, password: p}}\n", []string{"6:46: spec.alertmanager.bearer: is there beside basicAuth"}},
		{"a password without a name", "  alertmanager: {urls: ['http://a'], basicAuth: {password: p}}\n", []string{"6:49: spec.alertmanager.basicAuth.username: is missing"}},
		{"headers that are none", "  webhook: {url: 'http://a', headers: {'a b': x, Host: x, A: x, a: x, ? [z] : x}}\n", []string{
			"6:40: spec.webhook.headers.a b: is no name of a header", "6:50: spec.webhook.headers.Host: belongs to the request itself",
			"6:65: spec.webhook.headers.a: is there twice", "6:73: spec.webhook.headers: a name is no text"}},
		{"no headers", "  webhook: {url: 'http://a', headers: {}}\n", []string{"6:39: spec.webhook.headers: is an empty object"}},
		{"no name", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := "pager"
			if tt.want == nil {
				name, tt.spec, tt.want = "my pager", "  command: {path: /x}\n", []string{"4:9: metadata.name: my pager: is no name of a receiver"}
			}
			dir := write(t, "a.yaml", receiverFile(name, tt.spec))
			_, err := Load([]string{dir}, options())
			var want []string
			for _, w := range tt.want {
				want = append(want, "a.yaml:"+w)
			}
			if got := problems(t, err, dir); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func TestLoad_refusesAReceiverWithoutSpec(t *testing.T) {
	dir := write(t, "a.yaml", "apiVersion: goshawk.io/v1\nkind: Receiver\nmetadata: {name: pager}\n")
	_, err := Load([]string{dir}, options())
	if got, want := problems(t, err, dir), []string{"a.yaml:3:18: spec: is missing"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLoad_hidesSecrets writes a secret, wrong in many ways, wherever one can
// be. No error may have it.
func TestLoad_hidesSecrets(t *testing.T) {
	const secret = "hunter2"
	places := map[string]string{
		"spec.webhook.url":                     "  webhook: {url: %s}\n",
		"spec.webhook.headers.Authorization":   "  webhook: {url: 'http://a', headers: {Authorization: %s}}\n",
		"spec.webhook.headers":                 "  webhook: {url: 'http://a', headers: %s}\n",
		"spec.alertmanager.urls[0]":            "  alertmanager: {urls: [%s]}\n",
		"spec.alertmanager.bearer":             "  alertmanager: {urls: ['http://a'], bearer: %s}\n",
		"spec.alertmanager.basicAuth.password": "  alertmanager: {urls: ['http://a'], basicAuth: {username: u, password: %s}}\n",
	}
	values := []string{
		`" hunter2"`, `"hunter2\nx"`, `"${hunter2 x}"`, `"${hunter2"`, "[hunter2]", "!hunter3 hunter2", `"` + strings.Repeat(secret, 1000) + `"`,
		`"${file:hunter3}hunter2"`, `"hunter2\x7f"`,
	}
	for field, spec := range places {
		for _, value := range values {
			t.Run(fmt.Sprintf("%s %.20s", field, value), func(t *testing.T) {
				dir := write(t, "a.yaml", receiverFile("pager", fmt.Sprintf(spec, value)))
				_, err := Load([]string{dir}, options())
				got := problems(t, err, dir)
				if len(got) != 1 || !strings.Contains(got[0], field+": ") || strings.Contains(got[0], secret) {
					t.Errorf("got %q", got)
				}
				for _, e := range err.(Errors) {
					if strings.Contains(e.Value+e.Hint, secret) {
						t.Errorf("got %+v", e)
					}
				}
			})
		}
	}
	for _, value := range []string{"ftp://u:hunter2@a", "http://u:hunter2@", "http://a/#hunter2", "hunter2", "http://u:hunter2@a:x", "//hunter2"} {
		dir := write(t, "a.yaml", receiverFile("pager", fmt.Sprintf(places["spec.webhook.url"], `"`+value+`"`)))
		_, err := Load([]string{dir}, options())
		if got := problems(t, err, dir); len(got) != 1 || strings.Contains(got[0], secret) {
			t.Errorf("%s: got %q", value, got)
		}
	}
	// So is one that is no list.
	alone := write(t, "a.yaml", receiverFile("pager", "  alertmanager: {urls: 'http://u:hunter2@a'}\n"))
	_, err := Load([]string{alone}, options())
	if got := problems(t, err, alone); !slices.Equal(got, []string{"a.yaml:6:24: spec.alertmanager.urls: is a text, not a list"}) {
		t.Errorf("got %q", got)
	}
	// Twice the same is said without it, too.
	dir := write(t, "a.yaml", receiverFile("pager", "  alertmanager: {urls: ['http://u:hunter2@a', 'http://u:hunter2@a']}\n"))
	_, err = Load([]string{dir}, options())
	if got := problems(t, err, dir); !slices.Equal(got, []string{"a.yaml:6:47: spec.alertmanager.urls[1]: is there twice"}) {
		t.Errorf("got %q", got)
	}
}

func TestConfig_Receivers(t *testing.T) {
	dir := write(t,
		"a.yaml", receiverFile("z", "  webhook: {url: 'http://z', headers: {A: b}, tls: {caFile: /ca}}\n  severities: [page]\n")+"---\n"+probeFile("http", ""),
		"b.yaml", receiverFile("http", "  command: {path: /x, args: [y]}\n"))
	c, err := Load([]string{dir}, options())
	if err != nil {
		t.Fatal(err)
	}
	got := c.Receivers()
	if len(got) != 2 || got[0].Name != "z" || got[1].Name != "http" {
		t.Fatalf("got %+v", got)
	}
	got[0].Webhook.Headers["A"], got[0].Webhook.TLS.CAFile, got[0].Severities[0], got[1].Command.Args[0] = "changed", "changed", "changed", "changed"
	again := c.Receivers()
	if again[0].Webhook.Headers["A"] != "b" || again[0].Webhook.TLS.CAFile != "/ca" || again[0].Severities[0] != "page" || again[1].Command.Args[0] != "y" {
		t.Errorf("what the caller got is the configuration's own: %+v", again)
	}
	if p := c.Probe("http"); !p.Enabled {
		t.Errorf("a receiver of the same name changed the probe: %+v", p)
	}
	if list := (*Config)(nil).Receivers(); list != nil {
		t.Errorf("without files there are %v", list)
	}
}

// TestExample_receivers reads the example with the receivers in force, first
// as they are and then with all their fields.
func TestExample_receivers(t *testing.T) {
	text := regexp.MustCompile(`(?m)^# `).ReplaceAllString(strings.SplitAfterN(exampleReceivers(), "\n", 2)[1], "")
	load := func(text string) []notify.Receiver {
		t.Helper()
		c, err := Load([]string{write(t, "a.yaml", text)}, options())
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return c.Receivers()
	}
	want := []notify.Receiver{
		{Name: "my-webhook", Webhook: &notify.Webhook{URL: "https://bridge.example/alerts"}},
		{Name: "my-command", Command: &notify.Command{Path: "/usr/local/bin/notify"}},
		{Name: "my-alertmanager", Alertmanager: &notify.Alertmanager{URLs: []notify.Secret{"http://localhost:9093"}}},
	}
	if got := load(text); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	full := regexp.MustCompile(`(?m)^( +)# (\w+: )`).ReplaceAllString(text, "$1$2")
	// There is no password beside a token.
	full = regexp.MustCompile(`(?m)^ +bearer: .*$`).ReplaceAllString(full, "")
	got := load(full)
	if got[0].Webhook.TLS == nil || got[0].Webhook.Headers == nil || got[0].Matchers == nil || got[1].Command.Args == nil || got[2].Alertmanager.Password == "" {
		t.Errorf("got %+v from\n%s", got, full)
	}
	for _, k := range Reference() {
		for _, f := range k.Fields {
			name := f.Path[strings.LastIndex(f.Path, ".")+1:]
			if k.Name == KindReceiver && !regexp.MustCompile(`\b`+name+`:`).MatchString(text) {
				t.Errorf("the example lacks %s", f.Path)
			}
		}
	}
}

func FuzzParse_receiver(f *testing.F) {
	for _, spec := range []string{
		"  webhook: {url: 'http://a', headers: {A: b}, tls: {certFile: /a, keyFile: /b}}\n  matchers: [a=b]\n",
		"  command: {path: /a, args: [b]}\n  repeatEvery: 5m\n", "  alertmanager: {urls: [$${x}, '${file:/a}'], bearer: b}\n", "  webhook: &a {url: *a}\n",
		"  alertmanager: {basicAuth: {}}\n  webhook:\n", "  matchers: ['a=~(']\n  severities: [[]]\n",
	} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		data := []byte(receiverFile("pager", spec))
		if len(data) > yamldoc.MaxFileBytes {
			return
		}
		c, err := parse(snapshot{sources: []yamldoc.Source{{Name: "fuzz.yaml", Data: data}}}, options())
		if err != nil {
			for _, e := range err.(Errors) {
				if text := e.Error(); strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || e.Cause == "" || e.Hint == "" {
					t.Errorf("not fit for a terminal: %q", text)
				}
			}
			return
		}
		for _, r := range c.Receivers() {
			if err := r.Validate(); err != nil {
				t.Errorf("%v", err)
			}
		}
	})
}
