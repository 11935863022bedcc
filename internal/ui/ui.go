package ui

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/goshawk-io/goshawk/internal/api/v1/client"
)

// Options configures the pages.
type Options struct {
	// API answers for all that is shown. It must be set.
	API *client.Client
	// Version is Goshawk's own, for the footer and for pages that are kept.
	Version string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Log is told of failures to render; nil discards.
	Log *slog.Logger
}

// policy is what a browser may do with a page: nothing that leads elsewhere,
// and no script or style but the files of this server and the early script,
// which a page holds itself.
func policy(early string) string {
	return "default-src 'none'; script-src 'self' " + digest(early) + "; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// New returns the handler of all pages and their assets. It reads, compresses
// and parses everything once. It panics when what is embedded is broken, which
// a test would have found.
func New(o Options) http.Handler {
	a, views, err := load()
	if err != nil {
		panic(err)
	}
	return newHandler(o, a, views)
}

// load reads what is embedded.
func load() (*assets, map[string]*view, error) {
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, nil, err
	}
	a, err := loadAssets(files)
	if err != nil {
		return nil, nil, err
	}
	views, err := parseViews(a)
	return a, views, err
}

func newHandler(o Options, a *assets, views map[string]*view) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{api: o.API, version: o.Version, now: o.Now, log: o.Log, assets: a, views: views, policy: policy(a.early())}
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", a)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, a.url("icon.svg"), http.StatusFound)
	})
	mux.Handle("GET /{$}", s.page(s.overview))
	mux.Handle("GET /services/{name}", s.page(s.service))
	mux.Handle("GET /commands", s.page(s.commands))
	mux.Handle("GET /commands/{id}", s.page(s.command))
	mux.Handle("GET /events", s.page(s.events))
	mux.Handle("GET /events/{id}", s.page(s.event))
	mux.Handle("GET /gallery", s.page(s.gallery))
	s.startupPages(mux)
	s.upgradePages(mux)
	s.sloPages(mux)
	s.tracePages(mux)
	mux.Handle("/", s.page(s.notFound))
	return mux
}

type server struct {
	api     *client.Client
	version string
	now     func() time.Time
	log     *slog.Logger
	assets  *assets
	views   map[string]*view
	policy  string
}

// maker makes a page of a request.
type maker func(r *http.Request) (*Page, error)

// redirect is the error of a page that is at another address.
type redirect struct{ to string }

func (e *redirect) Error() string { return "the page is at " + e.to }

// page serves what make returns, or the error page.
func (s *server) page(make maker) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := make(r)
		var elsewhere *redirect
		switch {
		case errors.As(err, &elsewhere):
			http.Redirect(w, r, elsewhere.to, http.StatusSeeOther)
			return
		case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
			return
		case err != nil:
			p = errorPage(err)
		}
		s.write(w, r, p)
	})
}

// write renders a page, the block of it that htmx asks for, or the page as one
// file.
func (s *server) write(w http.ResponseWriter, r *http.Request, p *Page) {
	p.Version, p.Now = s.version, s.now().UTC()
	p.Address = r.URL.RequestURI()
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding, HX-Request, HX-Target")

	var body []byte
	var err error
	if wantsFile(r) && p.Status == http.StatusOK {
		body, err = s.file(p)
		h.Set("Content-Disposition", `attachment; filename="`+fileName(p)+`"`)
	} else {
		p.Save = saveHref(r)
		body, err = s.render(p, block(r))
	}
	if err != nil {
		s.log.Error("a page cannot be rendered", "page", r.URL.Path, "error", err)
		h.Del("Content-Disposition")
		http.Error(w, "error: render "+r.URL.Path+": "+err.Error(), http.StatusInternalServerError)
		return
	}
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = pack(body)
	}
	w.WriteHeader(p.Status)
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(body)
}

// block returns the id of the element that htmx asks for, empty for the page.
func block(r *http.Request) string {
	if r.Header.Get("HX-Request") == "" || r.Header.Get("HX-Boosted") != "" {
		return ""
	}
	return r.Header.Get("HX-Target")
}

// render renders the block with this id, or the page when it has none such.
func (s *server) render(p *Page, id string) ([]byte, error) {
	v, ok := s.views[p.View]
	if !ok {
		return nil, fmt.Errorf("there is no view %q", p.View)
	}
	name := "frame"
	if id != "" && v.template.Lookup("block-"+id) != nil {
		name, p.Block = "block-"+id, id
	}
	var b bytes.Buffer
	if err := v.template.ExecuteTemplate(&b, name, p); err != nil {
		return nil, err
	}
	return shown(b.Bytes()), nil
}

func pack(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	// A buffer takes everything.
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}
