package ui

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func saved(address string) string {
	if strings.Contains(address, "?") {
		return address + "&save=1"
	}
	return address + "?save=1"
}

func TestSave_needsNothingElse(t *testing.T) {
	f := plainAPI()
	h := serve(f)
	for _, address := range pages(f) {
		w := get(t, h, saved(address))
		body := w.body.String()
		if w.status != 200 {
			if w.header.Get("Content-Disposition") != "" {
				t.Errorf("%s: an error is saved", address)
			}
			continue
		}
		if name := w.header.Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="goshawk-[a-z0-9._-]+-20261121-203015\.html"$`).MatchString(name) {
			t.Errorf("%s: Content-Disposition %s", address, name)
		}
		root, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		forbids := false
		for n := range root.Descendants() {
			for _, a := range n.Attr {
				outside := a.Key == "src" || a.Key == "action" || a.Key == "data-live" || strings.HasPrefix(a.Key, "hx-") || a.Key == "href" && !strings.HasPrefix(a.Val, "#")
				if outside {
					t.Errorf("%s: <%s %s=%q>", address, n.Data, a.Key, a.Val)
				}
			}
			forbids = forbids || attribute(n, "http-equiv") == "Content-Security-Policy" && strings.HasPrefix(attribute(n, "content"), "default-src 'none'")
			if (n.Data == "goshawk-chart" || n.Data == "goshawk-waterfall") && !has(n, "script") {
				t.Errorf("%s: <%s> has no data", address, n.Data)
			}
			if n.Data == "script" && attribute(n, "type") == "application/json" && n.FirstChild != nil && address != "/gallery" && !json.Valid([]byte(n.FirstChild.Data)) {
				t.Errorf("%s: the data are not JSON: %.100s", address, n.FirstChild.Data)
			}
		}
		if !forbids {
			t.Errorf("%s: no policy forbids the network", address)
		}
		if !strings.Contains(body, "Saved on 2026-11-21 20:30:15 UTC by Goshawk v0.0.0-test") {
			t.Errorf("%s does not say when it was saved", address)
		}
	}
}

func TestSave_hasEveryModuleThatIsImported(t *testing.T) {
	body := get(t, serve(plainAPI()), "/commands?save=1").body.String()
	_, rest, _ := strings.Cut(body, `<script type="importmap">`)
	text, _, ok := strings.Cut(rest, "</script>")
	var list struct{ Imports map[string]string }
	if !ok || json.Unmarshal([]byte(text), &list) != nil || len(list.Imports) < 3 {
		t.Fatalf("the import map is %.100q", text)
	}
	specifier := regexp.MustCompile(`(?m)^import\b[^"';]*["']([^"']+)["']|\bimport\(["']([^"']+)["']\)`)
	for name, address := range list.Imports {
		data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(address, "data:text/javascript;base64,"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range specifier.FindAllStringSubmatch(string(data), -1) {
			if used := m[1] + m[2]; list.Imports[used] == "" && !strings.Contains(string(data), "@typedef {import(\""+used) {
				t.Errorf("%s imports %s, which is not there", name, used)
			}
		}
	}
	if list.Imports["goshawk/"+mainScript] == "" {
		t.Error("the entry is not there")
	}
}

func TestBareImports_rewritesSpecifiersOnly(t *testing.T) {
	for source, want := range map[string]string{
		`import { a } from "./b.js";`:                 `import { a } from "goshawk/js/b.js";`,
		`import "./b.js"`:                             `import "goshawk/js/b.js"`,
		`export { a } from '../vendor/c.js';`:         `export { a } from 'goshawk/vendor/c.js';`,
		`const x = (await import("../vendor/c.js"));`: `const x = (await import("goshawk/vendor/c.js"));`,
		`const s = "./b.js";`:                         `const s = "./b.js";`,
	} {
		if got := bareImports("js/a.js", source); got != want {
			t.Errorf("%s becomes %s, want %s", source, got, want)
		}
	}
}
