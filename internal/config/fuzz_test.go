package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// FuzzParse gives any bytes to the decoder. It must not panic, must say why it
// refuses in a way that a terminal can show, and must read only what is within
// bounds.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "#", "---\n", "a: *b", "a: &a [*a]", "{}", "[", "\xff", "\ufeffa: b", "? {a: b}\n: c", "%YAML 1.2\n---\na", "!!map {a: !!set {}}",
		probeFile("http", "  enabled: yes\n  sampling: {perSecond: 5, slow: auto}\n  targets: {services: [a, b], exclude: [c]}\n  routes: {limit: 7}\n"),
		probeFile("exec", "  enabled: false\n") + "---\n" + probeFile("exec", "  <<: {a: b}\n  ? \n  : x\n  enabled: !!binary YQ==\n"),
		"apiVersion: goshawk.io/v1\nkind: Probe\nmetadata: &m {name: http}\nspec: *m\n",
		"apiVersion: &a goshawk.io/v1\n*a : Probe\nkind: Probe\nmetadata: {name: ~}\n",
		Example(options().Probes),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > yamldoc.MaxFileBytes {
			return
		}
		s := snapshot{sources: []yamldoc.Source{{Name: "fuzz.yaml", Data: data}}}
		c, err := parse(s, options())
		if (c == nil) == (err == nil) {
			t.Fatalf("configuration %v, error %v", c, err)
		}
		if err != nil {
			var errs Errors
			if !errors.As(err, &errs) || len(errs) == 0 || len(errs) > yamldoc.MaxErrors+1 {
				t.Fatalf("%d errors: %v", len(errs), err)
			}
			for _, e := range errs {
				if text := e.Error(); !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Errorf("not fit for a terminal: %q", text)
				}
				if e.Cause == "" || e.Hint == "" || e.Line < 0 || e.Column < 0 {
					t.Errorf("incomplete: %#v", e)
				}
			}
			return
		}
		for _, r := range c.Resources() {
			p := c.Probe(r.Name)
			if p.Sampling.PerSecond < 0 || p.Sampling.PerSecond > maxPerSecond || p.Routes.Limit < 1 || p.Routes.Limit > maxRoutes || p.Sampling.Slow < 0 || p.Sampling.Slow > maxSlow {
				t.Errorf("out of bounds: %+v", p)
			}
		}
		again, err := parse(s, options())
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("read again it is %+v (%v), not %+v", again, err, c)
		}
	})
}
