package ui

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
)

func wantsFile(r *http.Request) bool { return r.URL.Query().Get("save") == "1" }

// saveHref is the address of the page as a file.
func saveHref(r *http.Request) string {
	values := r.URL.Query()
	values.Set("save", "1")
	return r.URL.EscapedPath() + "?" + values.Encode()
}

// fileName names the file by what the page is about and when it was saved.
func fileName(p *Page) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, p.Title)
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	name = strings.Trim(name, "-.")
	return "goshawk-" + name[:min(len(name), 60)] + "-" + p.Now.Format("20060102-150405") + ".html"
}

// file renders a page as one file that needs nothing else: style, scripts and
// data are in it, and what led to other pages leads nowhere.
func (s *server) file(p *Page) ([]byte, error) {
	head, policy, err := s.fileHead()
	if err != nil {
		return nil, err
	}
	if body, ok := p.Body.(keeper); ok {
		p.Body = body.keep()
	}
	p.Saved = &Saved{At: p.Now.Format("2006-01-02 15:04:05 UTC"), Head: head, Policy: policy}
	page, err := s.render(p, "")
	if err != nil {
		return nil, err
	}
	return unlink(page), nil
}

// link attributes are always written in this form by the templates, and never
// in a text: quotes are escaped there.
func unlink(page []byte) []byte {
	leads := regexp.MustCompile(` href="/[^"]*"`)
	return leads.ReplaceAll(page, []byte(` data-not-saved title="not in this file"`))
}

// keeper is the body of a page with drawings, which carry their data in a page
// that is kept.
type keeper interface{ keep() any }

func (c Commands) keep() any {
	c.Chart.Src = ""
	if c.Tree != nil {
		tree := *c.Tree
		tree.Src = ""
		c.Tree = &tree
	}
	return c
}

func (v Service) keep() any {
	v.Rate.Src, v.Durations.Src = "", ""
	if v.Requests != nil {
		r := *v.Requests
		r.Rate.Src, r.Durations.Src, r.Heat.Src = "", "", ""
		v.Requests = &r
	}
	return v
}

func (v SLOView) keep() any {
	if v.Requests != nil {
		r := *v.Requests
		r.Durations.Src, r.Heat.Src = "", ""
		v.Requests = &r
	}
	return v
}

func (v Request) keep() any {
	v.Tree.Src = ""
	return v
}

func (c Command) keep() any {
	if c.Tree != nil {
		tree := *c.Tree
		tree.Src = ""
		c.Tree = &tree
	}
	return c
}

func (e Events) keep() any {
	e.Chart.Src = ""
	return e
}

// fileHead returns style and scripts for a page that is kept, and the policy
// that allows just them. A module of a data: URL has no folder, so modules are
// named from the root by an import map.
func (s *server) fileHead() (template.HTML, string, error) {
	imports := make(map[string]string)
	for _, name := range s.assets.names("") {
		if path.Ext(name) != ".js" || name == "vendor/htmx.min.js" || name == earlyScript {
			continue
		}
		source := bareImports(name, string(s.assets.files[name].plain))
		imports[bareName(name)] = "data:text/javascript;base64," + base64.StdEncoding.EncodeToString([]byte(source))
	}
	imported, err := json.Marshal(map[string]any{"imports": imports})
	if err != nil {
		return "", "", fmt.Errorf("render the import map: %w", err)
	}
	start := `import "` + bareName(mainScript) + `";`
	style := string(s.assets.files[styleName].plain)
	policy := "default-src 'none'; style-src " + digest(style) + "; script-src " + digest(string(imported)) + " " + digest(start) +
		" data:; img-src data:; form-action 'none'; base-uri 'none'"
	head := "<style>" + style + "</style>\n<script type=\"importmap\">" + string(imported) + "</script>\n<script type=\"module\">" + start + "</script>\n"
	return template.HTML(head), policy, nil
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func bareName(name string) string { return "goshawk/" + name }

// bareImports rewrites the relative specifiers of a module.
func bareImports(name, source string) string {
	specifier := regexp.MustCompile(`(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.{1,2}/[^"']+)(["'])`)
	return specifier.ReplaceAllStringFunc(source, func(match string) string {
		m := specifier.FindStringSubmatch(match)
		target := (&url.URL{Path: "/" + name}).ResolveReference(&url.URL{Path: m[3]}).Path
		return m[1] + m[2] + bareName(strings.TrimPrefix(target, "/")) + m[4]
	})
}
