package doctor

import (
	"fmt"
	"go/version"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// newestGo is the newest release of Go that this program knows of, and newestGoDate
// when that was looked up with `go list -m -versions go`.
const (
	newestGo     = "go1.27.4"
	newestGoDate = "2026-11-22"
)

func binaryRules() []Rule {
	return []Rule{
		{"old-go", ScopeBinary, model.SeverityWarn, "The program was built by a release of Go that gets no fixes any more.", oldGo},
		{"built-with-another-go", ScopeBinary, model.SeverityWarn, "The program was built by another Go than its go.mod asks for, or than is installed.", builtWithAnotherGo},
		{"instrumented", ScopeBinary, model.SeverityWarn, "The program has the race detector, a sanitizer or coverage counters in it.", instrumented},
		{"optimisations-off", ScopeBinary, model.SeverityWarn, "The program was compiled with -N or -l.", optimisationsOff},
		{"modified-source", ScopeBinary, model.SeverityInfo, "The program was built from files that were not committed.", modifiedSource},
		{"cgo-nss", ScopeBinary, model.SeverityInfo, "The program looks up users, groups or hosts by the C library.", cgoNSS},
		{"no-debug-info", ScopeBinary, model.SeverityInfo, "The program was stripped.", noDebugInfo},
	}
}

// minor is how many minor releases a version is after go1.0.
func minor(v string) (n int, ok bool) {
	_, err := fmt.Sscanf(version.Lang(v), "go1.%d", &n)
	return n, err == nil
}

// release returns the version of a toolchain without what follows it:
// "go1.26.8 X:nodwarf5".
func release(v string) string {
	v, _, _ = strings.Cut(v, " ")
	return v
}

// oldGo goes by https://go.dev/doc/devel/release: a release is supported until there
// are two newer major ones. The installed Go may be newer than the newest known.
func oldGo(ev *Evidence) []model.Finding {
	b := ev.Binary
	newest, how := newestGo, "the newest that goshawk knows, as of "+newestGoDate
	if version.Compare(release(b.Installed), newest) > 0 {
		newest, how = release(b.Installed), "which is installed here"
	}
	built, ok := minor(release(b.GoVersion))
	last, known := minor(newest)
	if !ok || !known || last-built < 2 {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("built by %s, %d major releases before %s, %s; the two newest get fixes", release(b.GoVersion), last-built, newest, how),
		fmt.Sprintf("Build it with Go 1.%d or 1.%d: older ones get no security fixes for the standard library, which is in the program.", last-1, last))
}

func builtWithAnotherGo(ev *Evidence) []model.Finding {
	b := ev.Binary
	built := release(b.GoVersion)
	if b.Source == nil || !version.IsValid(built) {
		return nil
	}
	asked := b.Source.Go
	if version.IsValid(b.Source.Toolchain) && version.Compare(b.Source.Toolchain, asked) > 0 {
		asked = b.Source.Toolchain
	}
	if version.IsValid(asked) && version.Compare(built, asked) < 0 {
		return one(model.SeverityWarn, fmt.Sprintf("built by %s, and go.mod in %s asks for %s", built, b.Source.Dir, asked),
			"Build it again: it was built before go.mod was changed, or with GOTOOLCHAIN=local.")
	}
	installed := release(b.Installed)
	if !version.IsValid(installed) || version.Lang(installed) == version.Lang(built) {
		return nil
	}
	return one(model.SeverityInfo, fmt.Sprintf("built by %s, and %s is installed here", built, installed), "Build it again, if it is to be what go build makes now.")
}

func instrumented(ev *Evidence) []model.Finding {
	var found []model.Finding
	for _, kind := range []struct{ setting, what string }{
		{"-race", "the race detector: it takes 2 to 20 times as long and 5 to 10 times the memory, and stops at 8128 goroutines"},
		{"-msan", "the memory sanitizer: it takes about 3 times as long"},
		{"-asan", "the address sanitizer: it takes about twice as long, and more memory"},
		{"-cover", "coverage counters: each block of statements adds to one"},
	} {
		if ev.Binary.Settings[kind.setting] == "true" {
			found = append(found, one(model.SeverityWarn, "built with "+kind.setting+", and has in it "+kind.what, "Build it without "+kind.setting+", unless it runs as a test.")...)
		}
	}
	return found
}

// optimisationsOff looks for -N and -l among the flags of the compiler. These are
// kept as they were given: "all=-N -l".
func optimisationsOff(ev *Evidence) []model.Finding {
	flags := ev.Binary.Settings["-gcflags"]
	var off []string
	for word := range strings.FieldsSeq(flags) {
		if at := strings.LastIndexByte(word, '='); at >= 0 {
			word = word[at+1:]
		}
		switch strings.Trim(word, `"'`) {
		case "-N":
			off = append(off, "-N (no optimisations)")
		case "-l":
			off = append(off, "-l (no inlining)")
		}
	}
	if len(off) == 0 {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("compiled with -gcflags=%q: %s", clipped(flags), strings.Join(off, ", ")),
		"Build it without -gcflags, unless it runs in a debugger.")
}

func modifiedSource(ev *Evidence) []model.Finding {
	s := ev.Binary.Settings
	if s["vcs.modified"] != "true" {
		return nil
	}
	return one(model.SeverityInfo, "built from revision "+clipped(s["vcs.revision"])+" with changes that are not in it (vcs.modified=true)",
		"Commit first, or build in a clean checkout: nobody can tell otherwise what is in the program. Files that a build writes belong in .gitignore.")
}

func cgoNSS(ev *Evidence) []model.Finding {
	b := ev.Binary
	if !b.Cgo || len(b.NSS) == 0 {
		return nil
	}
	return one(model.SeverityInfo, "imports of the C library "+strings.Join(b.NSS, ", "),
		"Nothing, if users or hosts come from LDAP, sssd or mDNS. Else build with -tags netgo,osusergo or CGO_ENABLED=0: a look-up by the C library holds a thread, and loads modules at run time.")
}

func noDebugInfo(ev *Evidence) []model.Finding {
	b := ev.Binary
	var gone []string
	if !b.SymbolTable {
		gone = append(gone, "no symbol table")
	}
	if !b.DWARF {
		gone = append(gone, "no DWARF")
	}
	if len(gone) == 0 {
		return nil
	}
	return one(model.SeverityInfo, "the file has "+strings.Join(gone, " and "),
		"Nothing for goshawk, pprof and stack traces, which need neither. For a debugger or perf build without -ldflags=-s or -w, or keep an unstripped copy of each release.")
}
