package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/model"
)

// Frame is what one drawing of the view depends on besides the state.
type Frame struct {
	// Width and Height are the terminal's size in cells.
	Width, Height int
	// Now is the time shown and used for rates.
	Now time.Time
	// Title is the first line's text.
	Title string
	// Probes is the state of the probes.
	Probes []model.ProbeHealth
	// Color allows ANSI colours.
	Color bool
}

// Run draws the view on w once a second until ctx is done, then restores the
// screen. frame is asked for each drawing.
func Run(ctx context.Context, w io.Writer, s *State, frame func() Frame) error {
	const enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
	if _, err := io.WriteString(w, enter); err != nil {
		return err
	}
	defer io.WriteString(w, leave)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var b bytes.Buffer
		b.WriteString("\x1b[H")
		for _, line := range s.Render(frame()) {
			b.WriteString(line + "\x1b[K\r\n")
		}
		b.WriteString("\x1b[J")
		if _, err := w.Write(b.Bytes()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Render returns the lines of the view, at most f.Height - 1.
func (s *State) Render(f Frame) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := drawing{Frame: f}
	d.head(s)
	// What is left is shared: half for call sites, a third for findings.
	room := max(f.Height-1-len(d.lines)-6, 6)
	d.sites(s.topSites(room / 2))
	d.findings(s.topFindings(max(room/6, 1)))
	d.last(s.last, f.Height-1-len(d.lines)-2)
	return d.lines[:min(len(d.lines), max(f.Height-1, 1))]
}

type drawing struct {
	Frame
	lines []string
}

func (d *drawing) line(format string, args ...any) {
	d.lines = append(d.lines, cut(fmt.Sprintf(format, args...), d.Width))
}

func (d *drawing) styled(code, text string) {
	text = cut(text, d.Width)
	if d.Color {
		text = "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	d.lines = append(d.lines, text)
}

func (d *drawing) head(s *State) {
	d.styled("1", d.Title)
	d.line("%s   %d commands, %d failed", d.Now.Format("15:04:05"), s.total, s.failed)
	for _, p := range d.Probes {
		if p.Up {
			state := fmt.Sprintf("probe %-5s up   %d events, %d lost", p.Probe, p.Events, p.Lost)
			if len(p.Off) > 0 {
				state += fmt.Sprintf(", %d parts off (see /api/v1/probes)", len(p.Off))
			}
			d.line("%s", state)
			continue
		}
		cause := ""
		if len(p.Off) > 0 {
			cause = p.Off[0].Cause
		}
		d.styled("31", fmt.Sprintf("probe %-5s off  %s", p.Probe, table.Printable(cause)))
	}
	d.line("")
}

func (d *drawing) sites(sites []*site) {
	d.styled("1", fmt.Sprintf("%-14s %-40s %-16s %7s %7s %8s %8s %6s", "SERVICE", "CALL SITE", "COMMAND", "COUNT", "/MIN", "P50", "P99", "FAILED"))
	for _, s := range sites {
		d.line("%-14s %-40s %-16s %7d %7.1f %8s %8s %6d",
			cut(table.Printable(s.service), 14), cutStart(table.Printable(path.Base(s.function)), 40), cut(table.Printable(s.name), 16), s.count, s.perMinute(d.Now),
			table.Duration(s.quantile(0.5)), table.Duration(s.quantile(0.99)), s.failed)
	}
	if len(sites) == 0 {
		d.line("no command of a Go program yet")
	}
	d.line("")
}

func (d *drawing) findings(findings []*finding) {
	d.styled("1", "FINDINGS")
	for _, f := range findings {
		where := f.service
		if f.function != "" {
			where = path.Base(f.function)
		}
		text := fmt.Sprintf("%-5s %s ×%d  %s: %s", f.Severity, f.Rule, f.count, table.Printable(where), table.Printable(f.Evidence))
		color := "36"
		if f.Severity > model.SeverityInfo {
			color = "33"
		}
		d.styled(color, text)
		d.line("      %s", f.Remedy)
	}
	if len(findings) == 0 {
		d.line("none")
	}
	d.line("")
}

func (d *drawing) last(events []*model.Event, room int) {
	d.styled("1", "LAST COMMANDS")
	for i := len(events) - 1; i >= 0 && room > 0; i-- {
		e := events[i]
		room--
		result := e.Get("goshawk.exec.outcome").Str()
		if code := e.Failure(); code.IsSet() {
			result += " " + code.Str()
		}
		command := table.Command(e.Get("process.command_args").Strings())
		if command == "" {
			command = table.Printable(e.Get("process.executable.path").Str())
		}
		d.line("%s %-14s %8s  %-18s %s", e.Time.Local().Format("15:04:05"), cut(table.Printable(e.Service), 14), table.Duration(e.Duration), cut(result, 18), command)
	}
}

// cut shortens s to width cells; 0 leaves it whole.
func cut(s string, width int) string {
	runes := []rune(s)
	if width <= 0 || len(runes) <= width {
		return s
	}
	return strings.TrimRight(string(runes[:width-1]), " ") + "…"
}

// cutStart is cut, keeping the end.
func cutStart(s string, width int) string {
	runes := []rune(s)
	if len(runes) <= width {
		return s
	}
	return "…" + string(runes[len(runes)-width+1:])
}
