package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:embed all:assets
var assetFiles embed.FS

// styleName is the one style sheet, put together from styleParts.
const styleName = "goshawk.css"

// mainScript imports every other module.
const mainScript = "js/main.js"

// earlyScript runs before anything is drawn, and is no module. It loads the
// others when the page is there. Pages hold it themselves: to fetch it would
// hold up the first paint by a fifth.
const earlyScript = "js/early.js"

func styleParts() []string {
	return []string{"vendor/uPlot.min.css", "css/tokens.css", "css/frame.css", "css/parts.css", "css/elements.css", "css/charts.css", "css/trace.css"}
}

// asset is a file as it is served.
type asset struct {
	plain, packed []byte
	kind, etag    string
}

// assets are all files by their name, and the version that is in their
// address: it changes when any of them does.
type assets struct {
	files   map[string]asset
	version string
}

// loadAssets reads, joins and compresses the files once.
func loadAssets(fsys fs.FS) (*assets, error) {
	a := &assets{files: make(map[string]asset)}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !served(name) {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return fmt.Errorf("read asset %s: %w", name, err)
		}
		return a.add(name, data)
	})
	if err != nil {
		return nil, err
	}
	var style bytes.Buffer
	for _, part := range styleParts() {
		data, err := fs.ReadFile(fsys, part)
		if err != nil {
			return nil, fmt.Errorf("read style %s: %w", part, err)
		}
		style.Write(data)
		style.WriteByte('\n')
	}
	if err := a.add(styleName, style.Bytes()); err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, name := range a.names("") {
		fmt.Fprintf(sum, "%s %s\n", name, a.files[name].etag)
	}
	a.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return a, nil
}

// served is true of what a browser asks for.
func served(name string) bool {
	switch path.Ext(name) {
	case ".js":
		return !strings.HasSuffix(name, ".test.js")
	case ".svg", ".woff2", ".LICENSE":
		return true
	}
	return false
}

func (a *assets) add(name string, data []byte) error {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("compress asset %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress asset %s: %w", name, err)
	}
	sum := sha256.Sum256(data)
	a.files[name] = asset{plain: data, packed: packed.Bytes(), kind: contentType(name), etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
	return nil
}

// contentType does not ask the host: its tables differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".LICENSE":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// names returns the files below a folder, sorted.
func (a *assets) names(prefix string) []string {
	var list []string
	for name := range a.files {
		if strings.HasPrefix(name, prefix) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// modules returns the modules that a page of a view will want: a heatmap is on few, and
// so are lines and waterfalls.
func (a *assets) modules(view string) []string {
	rare := []string{earlyScript}
	if !slices.Contains([]string{"commands", "command", "request", "startup", "upgrade", "gallery"}, view) {
		for _, name := range []string{"waterfall", "waterfallkeys", "head", "pointer", "labels", "paint", "tip", "tree", "view", "geometry", "merge"} {
			rare = append(rare, "js/"+name+".js")
		}
	}
	return slices.DeleteFunc(a.names("js/"), func(name string) bool {
		return slices.Contains(rare, name) || strings.HasPrefix(name, "js/heat") || strings.HasPrefix(name, "js/lines") || strings.HasPrefix(name, "js/trace")
	})
}

// early returns the text of the early script.
func (a *assets) early() string { return string(a.files[earlyScript].plain) }

// url returns the address of a file, which never changes its content.
func (a *assets) url(name string) string { return "/assets/" + a.version + "/" + name }

// ServeHTTP serves /assets/VERSION/NAME for good, and /assets/NAME as long as
// it is the same.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/assets/")
	cache := "no-cache"
	if rest, ok := strings.CutPrefix(name, a.version+"/"); ok {
		name, cache = rest, "public, max-age=31536000, immutable"
	}
	file, ok := a.files[name]
	if !ok {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", cache)
	h.Set("ETag", file.etag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	if slices.Contains(strings.Split(r.Header.Get("If-None-Match"), ", "), file.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := file.plain
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = file.packed
	}
	if r.Method == http.MethodHead {
		return
	}
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(body)
}

func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}
