package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/judge/notify"
)

// remoteWriteFile is a file with one receiver.
func remoteWriteFile(spec string) string {
	return "apiVersion: goshawk.io/v1\nkind: RemoteWrite\nmetadata:\n  name: mimir\nspec:\n" + spec
}

func TestLoad_readsRemoteWrites(t *testing.T) {
	for _, tt := range []struct {
		name, spec string
		want       RemoteWrite
	}{
		{"a URL", "  url: http://a/push\n", RemoteWrite{Destination: notify.Destination{URL: "http://a/push"}}},
		{"the protocol by default", "  url: http://a\n  protocol: auto\n", RemoteWrite{Destination: notify.Destination{URL: "http://a"}}},
		{
			"all", `  url: ${file:/run/url}
  protocol: "2.0"
  basicAuth: {username: u, password: "${P}"}
  headers: {X-Scope-OrgID: shop}
  tls: {caFile: /ca.pem}
  labels: {cluster: eu-1, job: ""}
  metrics: [goshawk_*, ALERTS]
`, RemoteWrite{
				Destination: notify.Destination{
					URL: "${file:/run/url}", Username: "u", Password: "${P}", Headers: map[string]notify.Secret{"X-Scope-Orgid": "shop"}, TLS: &notify.TLS{CAFile: "/ca.pem"},
				},
				Protocol: "2.0", Labels: map[string]string{"cluster": "eu-1", "job": ""}, Metrics: []string{"goshawk_*", "ALERTS"},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load([]string{write(t, "a.yaml", remoteWriteFile(tt.spec))}, options())
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Name = "mimir"
			if got := c.RemoteWrites(); !reflect.DeepEqual(got, []RemoteWrite{tt.want}) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
	if list := (*Config)(nil).RemoteWrites(); list != nil {
		t.Errorf("without files there are %v", list)
	}
}

func TestLoad_refusesRemoteWrites(t *testing.T) {
	for spec, want := range map[string]string{
		"  labels: {a: b}\n":                                                      "spec.url",
		"  url: ftp://a\n":                                                        "spec.url",
		"  url: http://a\n  protocol: \"3.0\"\n":                                  "spec.protocol",
		"  url: http://a\n  labels: {a-b: c}\n":                                   "spec.labels",
		"  url: http://a\n  labels: {__name__: c}\n":                              "spec.labels",
		"  url: http://a\n  labels: []\n":                                         "spec.labels",
		"  url: http://a\n  labels: {a: [b]}\n":                                   "spec.labels.a",
		"  url: http://a\n  tls: {keyFile: /a}\n":                                 "spec.tls",
		"  url: http://a\n  bearer: x\n  basicAuth: {username: a, password: b}\n": "spec.bearer",
	} {
		_, err := Load([]string{write(t, "a.yaml", remoteWriteFile(spec))}, options())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error of %s", spec, err, want)
		}
	}
}

func TestExample_remoteWrite(t *testing.T) {
	text := regexp.MustCompile(`(?m)^# `).ReplaceAllString(strings.SplitAfterN(exampleRemoteWrite(), "\n", 2)[1], "")
	full := regexp.MustCompile(`(?m)^( +)# (\w+: )`).ReplaceAllString(text, "$1$2")
	full = regexp.MustCompile(`(?m)^ +bearer: .*$`).ReplaceAllString(full, "") // not beside a password
	for _, text := range []string{text, full} {
		c, err := Load([]string{write(t, "a.yaml", text)}, options())
		if err != nil || len(c.RemoteWrites()) != 1 {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
}
