package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"
)

func embedded(t testing.TB) fs.FS {
	t.Helper()
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestVendored_filesAreThoseOfTheirPackages(t *testing.T) {
	files := embedded(t)
	data, err := fs.ReadFile(files, "vendor/vendor.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Name, Version, Licence, Source string
		Files                          []struct{ File, From, SHA256, Appended string }
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"vendor.json": true}
	for _, p := range list {
		if p.Name == "" || p.Version == "" || p.Licence == "" || p.Source == "" {
			t.Errorf("%+v lacks something", p)
		}
		licence := false
		for _, f := range p.Files {
			known[f.File] = true
			licence = licence || strings.HasSuffix(f.File, ".LICENSE")
			data, err := fs.ReadFile(files, "vendor/"+f.File)
			if err != nil {
				t.Error(err)
				continue
			}
			sum := sha256.Sum256([]byte(strings.TrimSuffix(string(data), f.Appended)))
			if got := hex.EncodeToString(sum[:]); got != f.SHA256 {
				t.Errorf("%s has the hash %s, want %s", f.File, got, f.SHA256)
			}
			if !strings.HasSuffix(string(data), f.Appended) {
				t.Errorf("%s does not end with %q", f.File, f.Appended)
			}
		}
		if !licence {
			t.Errorf("%s has no licence", p.Name)
		}
	}
	entries, err := fs.ReadDir(files, "vendor")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			t.Errorf("vendor/%s is not in vendor.json", e.Name())
		}
	}
}

// leadsOut finds what makes a browser ask another host.
func leadsOut() *regexp.Regexp {
	return regexp.MustCompile("(?i)(?:src|href|action|data|poster)\\s*=\\s*[\"']?(?:https?:)?//|url\\(\\s*[\"']?(?:https?:)?//|@import|(?:from|import|import\\(|fetch\\(|EventSource\\(|WebSocket\\()\\s*[\"'`](?:https?:|wss?:)?//")
}

func TestAssets_nameNoOtherHost(t *testing.T) {
	files := embedded(t)
	addresses := regexp.MustCompile(`https?://[^\s"'<>)]+`)
	// An XML name space is no address, and a licence comment is none that is
	// asked.
	allowed := []string{"http://www.w3.org/", "https://github.com/leeoniya/uPlot", "https://htmx.org"}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) == ".LICENSE" || name == "vendor/vendor.json" {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if found := leadsOut().Find(data); found != nil {
			t.Errorf("%s asks another host: %q", name, found)
		}
		for _, address := range addresses.FindAllString(string(data), -1) {
			ok := false
			for _, a := range allowed {
				ok = ok || strings.HasPrefix(address, a)
			}
			if !ok {
				t.Errorf("%s names %s", name, address)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPages_nameNoOtherHost(t *testing.T) {
	f := plainAPI()
	h := serve(f)
	for _, address := range pages(f) {
		page := withoutData(get(t, h, address).body.String())
		if found := leadsOut().FindString(page); found != "" {
			t.Errorf("%s asks another host: %q", address, found)
		}
	}
}

// withoutData leaves out the data of drawings, which ask nothing.
func withoutData(page string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(page, `<script type="application/json">`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, page, _ = strings.Cut(rest, "</script>")
	}
}

func TestAssets_areServedForGood(t *testing.T) {
	h := serve(plainAPI())
	body := get(t, h, "/").body.String()
	addresses := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(addresses) < 4 {
		t.Fatalf("the page names only %d assets", len(addresses))
	}
	for _, m := range addresses {
		w := get(t, h, m[1])
		if w.status != 200 || !strings.Contains(w.header.Get("Cache-Control"), "immutable") || w.body.Len() == 0 {
			t.Errorf("%s: status %d, headers %v", m[1], w.status, w.header)
		}
		packed := get(t, h, m[1], "Accept-Encoding", "gzip")
		if packed.header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(packed.body.String(), "\x1f\x8b") {
			t.Errorf("%s is not packed", m[1])
		}
		if again := get(t, h, m[1], "If-None-Match", w.header.Get("ETag")); again.status != http.StatusNotModified {
			t.Errorf("%s is sent again: %d", m[1], again.status)
		}
	}
	if w := get(t, h, "/assets/js/main.js"); w.status != 200 || w.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("an address without a version: %d, %v", w.status, w.header)
	}
	for _, address := range []string{"/assets/nothing.js", "/assets/vendor/vendor.json", "/assets/"} {
		if w := get(t, h, address); w.status != 404 {
			t.Errorf("%s answers %d", address, w.status)
		}
	}
}

// budget is what the first page may weigh, packed: the page and all that it
// loads, with the library that charts load later.
const budget = 120 << 10

func TestFirstPage_isLight(t *testing.T) {
	h := serve(plainAPI())
	packed := func(address string) int { return get(t, h, address, "Accept-Encoding", "gzip").body.Len() }
	for _, address := range []string{"/", "/commands", "/services/shop"} {
		total := packed(address)
		seen := map[string]bool{}
		body := get(t, h, address).body.String()
		for _, m := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body, -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				total += packed(m[1])
			}
		}
		total += packed("/assets/vendor/uPlot.esm.js")
		if strings.Contains(body, "<goshawk-heatmap") {
			for _, name := range []string{"heatmap", "heatgrid", "heatpaint"} {
				total += packed("/assets/js/" + name + ".js")
			}
		}
		if total > budget {
			t.Errorf("%s weighs %d bytes, more than %d", address, total, budget)
		}
		t.Logf("%s weighs %d bytes packed, %d of them the page", address, total, packed(address))
	}
}

func TestModules_areCheckedAndShort(t *testing.T) {
	names, err := fs.Glob(assetFiles, "assets/js/*.js")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d modules, %v", len(names), err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(assetFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "// @ts-check\n") {
			t.Errorf("%s: does not begin with // @ts-check: an editor would not check its types", name)
		}
		if lines := strings.Count(string(text), "\n"); lines > 600 {
			t.Errorf("%s: has %d lines, at most 600 are allowed", name, lines)
		}
	}
}
