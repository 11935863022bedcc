package ui

import (
	"embed"
	"fmt"
	"html/template"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Page is what every template gets: the frame's part, and the page's own in
// Body.
type Page struct {
	// View names the template, Nav the entry of the navigation.
	View, Nav string
	// Title is the document's, Heading that of the page.
	Title string
	// Status is the HTTP status; 0 is 200.
	Status  int
	Version string
	Now     time.Time
	// Address is the path and query of the page.
	Address string
	// Save is where the page is had as a file.
	Save string
	// Saved is set in a page that is kept as a file.
	Saved *Saved
	// Block is the id of the element that is rendered alone; empty for a page.
	Block string
	// Body is the page's own view.
	Body any
}

// Saved is what a page that is kept as a file has in place of links.
type Saved struct {
	// At says when it was saved.
	At string
	// Head holds style and scripts.
	Head template.HTML
	// Policy is the content security policy.
	Policy string
}

type view struct {
	template *template.Template
}

// component files are shared by all views.
func componentFiles() []string {
	return []string{
		"templates/frame.html", "templates/parts.html", "templates/table.html", "templates/timechart.html",
		"templates/waterfall.html", "templates/heatmap.html", "templates/stack.html", "templates/filters.html", "templates/lines.html", "templates/traceparts.html",
	}
}

func viewNames() []string {
	return []string{"overview", "service", "commands", "command", "request", "events", "startup", "startups", "upgrades", "upgrade", "traces", "trace", "slos", "slo", "gallery", "error"}
}

// parseViews parses each page with the components.
func parseViews(a *assets) (map[string]*view, error) {
	views := make(map[string]*view)
	for _, name := range viewNames() {
		t := template.New(name).Funcs(functions(a))
		t, err := t.ParseFS(templateFiles, append(componentFiles(), "templates/"+name+".html")...)
		if err != nil {
			return nil, fmt.Errorf("parse the view %s: %w", name, err)
		}
		views[name] = &view{t}
	}
	return views, nil
}

// functions are few: what a page shows is computed before it is rendered.
func functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":   a.url,
		"modules": a.modules,
		"early":   func() template.HTML { return template.HTML("<script>" + a.early() + "</script>") },
		"style":   func() string { return styleName },
		"main":    func() string { return mainScript },
		"column":  column,
		"size":    size,
		"count":   count,
	}
}

// column returns the i-th column; a row may be longer than the head.
func column(t Table, i int) Column {
	if i < len(t.Columns) {
		return t.Columns[i]
	}
	return Column{}
}
