package series

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
)

func TestJournal(t *testing.T) {
	for _, c := range []struct {
		name  string
		level slog.Level // of the log
		want  string
	}{
		{"of what goes wrong", slog.LevelInfo, "level=WARN msg=warned a=1\nlevel=ERROR msg=failed a=1 g.err=boom\n"},
		{"of all", slog.LevelDebug, "level=DEBUG msg=started\nlevel=DEBUG msg=looked\nlevel=WARN msg=warned a=1\nlevel=ERROR msg=failed a=1 g.err=boom\n"},
		{"of nothing", slog.LevelError + 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			withoutTime := func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}
			last := &lastError{}
			log := slog.New(journal{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: c.level, ReplaceAttr: withoutTime}), last})
			log.Info("started")
			log.Debug("looked")
			derived := log.With("a", 1)
			derived.Warn("warned")
			if text, at := last.get(); text != "" || !at.IsZero() {
				t.Errorf("%q at %v before there is one", text, at)
			}
			derived.WithGroup("g").Error("failed", "err", errors.New("boom"))
			if out.String() != c.want {
				t.Errorf("%q, want %q", out.String(), c.want)
			}
			if text, at := last.get(); text != "failed: boom" || at.IsZero() {
				t.Errorf("%q at %v", text, at)
			}
		})
	}
}
