package browser

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/chromedp"
)

var loads = flag.Int("loads", 2, "how often each page is loaded to measure its first paint")

// updating is true with -update, which testutil defines for all golden files.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// settle waits until the fonts are there and two frames were drawn.
const settle = `document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`

// picture keeps what the tab shows in $GOSHAWK_PICTURES, for people to look
// at.
func (b *tab) picture(name string) {
	if os.Getenv("GOSHAWK_PICTURES") == "" {
		return
	}
	b.do(settle)
	b.keep(name, b.screenshot())
}

func (b *tab) keep(name string, shot []byte) {
	dir := os.Getenv("GOSHAWK_PICTURES")
	if dir == "" {
		return
	}
	name = strings.ReplaceAll(name, "/", "-") + ".png"
	if err := os.WriteFile(filepath.Join(dir, name), shot, 0o600); err != nil {
		b.t.Error(err)
	}
}

// screenshot returns what the tab shows, as a PNG.
func (b *tab) screenshot() []byte {
	b.t.Helper()
	ctx, end := context.WithTimeout(b.ctx, patience)
	defer end()
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	return shot
}

// The grid in which pictures are compared, and how far a field's mean colour
// may be from that of the kept picture, of 255: fonts and a row more or less
// stay below it, a part that is missing or dark does not.
const (
	gridWidth, gridHeight = 16, 12
	tolerance             = 36
)

// compare compares what the tab shows with the picture in docs/screenshots, or
// with -update becomes it.
func (b *tab) compare(name string) {
	b.t.Helper()
	b.do(settle)
	shot := b.screenshot()
	b.keep("page-"+name, shot)
	file := filepath.Join("..", "..", "docs", "screenshots", name+".png")
	if updating() {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(file, shot, 0o644); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		b.t.Errorf("%v; -update writes it", err)
		return
	}
	want, got := b.decode(file, kept), b.decode("the page", shot)
	if want.Bounds() != got.Bounds() {
		b.t.Errorf("%s is %v, the page is %v", file, want.Bounds().Size(), got.Bounds().Size())
		return
	}
	if far := farthest(grid(want), grid(got)); far > tolerance {
		b.t.Errorf("the page does not look like %s: a part of it differs by %.0f of 255; look at it, then -update", file, far)
	}
}

func (b *tab) decode(name string, data []byte) image.Image {
	b.t.Helper()
	p, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
	return p
}

type color [3]float64

// grid returns the mean colours of the fields.
func grid(p image.Image) []color {
	bounds := p.Bounds()
	fields := make([]color, gridWidth*gridHeight)
	counts := make([]float64, len(fields))
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			r, g, b, _ := p.At(bounds.Min.X+x, bounds.Min.Y+y).RGBA()
			i := y*gridHeight/bounds.Dy()*gridWidth + x*gridWidth/bounds.Dx()
			for c, v := range []uint32{r, g, b} {
				fields[i][c] += float64(v >> 8)
			}
			counts[i]++
		}
	}
	for i := range fields {
		for c := range fields[i] {
			fields[i][c] /= counts[i]
		}
	}
	return fields
}

func farthest(a, b []color) float64 {
	most := 0.0
	for i := range a {
		for c := range a[i] {
			most = max(most, math.Abs(a[i][c]-b[i][c]))
		}
	}
	return most
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[len(sorted)/2]
}
