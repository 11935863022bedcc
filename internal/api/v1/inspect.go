package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/inspect"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// Inspection says what a Go executable is. Its functions follow as
// [InspectedFunction] in an array called functions; see [WriteInspection].
type Inspection struct {
	// Process has the fields of a process. Of a file that was given by its path
	// PID is 0, and there is neither a start time nor a container.
	Process
	StartTime   *Time             `json:"start_time,omitempty"`
	Arch        string            `json:"arch"`
	SizeBytes   int64             `json:"size_bytes"`
	Linking     string            `json:"linking"` // "static" or "dynamic"
	Relro       string            `json:"relro"`   // "none", "partial" or "full"
	PLT         bool              `json:"plt"`
	GOT         bool              `json:"got"`
	GOTWritable bool              `json:"got_writable"`
	SymbolTable bool              `json:"symbol_table"`
	DWARF       bool              `json:"dwarf"`
	Sections    []Section         `json:"sections"`
	Modules     []Module          `json:"modules"`
	VCS         *VCS              `json:"vcs,omitempty"`
	Settings    map[string]string `json:"build_settings"`
}

// Section is a section of an executable that has content in the file.
type Section struct {
	Name      string  `json:"name"`
	Address   Address `json:"address"`
	SizeBytes uint64  `json:"size_bytes"`
}

// Address is an address in a file, as text: JSON's numbers are too small.
type Address uint64

// MarshalText renders a with a leading 0x.
func (a Address) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(a)), nil }

// UnmarshalText reads what MarshalText renders.
func (a *Address) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "0x%x", (*uint64)(a))
	return err
}

// Module is a module that a program was built from, the main one first.
type Module struct {
	Path    string  `json:"path"`
	Version string  `json:"version,omitempty"`
	Sum     string  `json:"sum,omitempty"`
	Replace *Module `json:"replace,omitempty"`
}

// VCS is what the build tool recorded of version control.
type VCS struct {
	System   string `json:"system"`
	Revision string `json:"revision"`
	Time     string `json:"time,omitempty"` // RFC 3339
	Modified bool   `json:"modified"`
}

// Verdict says whether something can be done to a function, and if not, why.
type Verdict struct {
	OK bool `json:"ok"`
	// Reason says why not, or, in few words, how.
	Reason string `json:"reason"`
}

// InspectedHook says whether calls of a function can be seen, and where.
type InspectedHook struct {
	Verdict
	Points []HookPoint `json:"points,omitempty"`
}

// HookPoint is an instruction at which a function can be hooked.
type HookPoint struct {
	At          string `json:"at"` // "entry" or "return"
	OffsetBytes uint64 `json:"offset_bytes"`
	Instruction string `json:"instruction"`
	// Cost is the class of what a hit costs: "emulated" or "single-stepped",
	// which is about ten times as much.
	Cost string `json:"cost"`
}

// InspectedFunction is a function and what can be done to it.
type InspectedFunction struct {
	Name      string  `json:"name"`
	Address   Address `json:"address"`
	SizeBytes int     `json:"size_bytes"`
	Wrapper   bool    `json:"wrapper,omitempty"`
	Assembly  bool    `json:"assembly,omitempty"`
	// InlinedInto are functions that hold a copy of the code, at most some, and
	// InlinedIntoTotal is how many do.
	InlinedInto      []string      `json:"inlined_into"`
	InlinedIntoTotal int           `json:"inlined_into_total"`
	Hook             InspectedHook `json:"hook"`
	Patch            Verdict       `json:"patch"`
}

// NewInspection returns the wire form of a program without its functions.
func NewInspection(p *inspect.Program) Inspection {
	l := &p.Linking
	v := Inspection{
		Process: NewProcess(&p.Process, p.Hookable), Arch: l.Arch, SizeBytes: p.Size, Linking: "dynamic", Relro: string(l.Relro),
		PLT: l.PLT, GOT: l.GOT, GOTWritable: l.GOTWritable, SymbolTable: l.SymbolTable, DWARF: l.DWARF,
		Sections: []Section{}, Modules: []Module{}, Settings: map[string]string{},
	}
	if l.Static {
		v.Linking = "static"
	}
	if start := p.Process.StartTime; !start.IsZero() {
		v.StartTime = (*Time)(&start)
	}
	for _, s := range l.Sections {
		v.Sections = append(v.Sections, Section{Name: text(s.Name), Address: Address(s.Addr), SizeBytes: s.Size})
	}
	if p.Build != nil {
		v.addBuild(p.Build)
	}
	return v
}

// addBuild adds what the build tool recorded.
func (v *Inspection) addBuild(info *debug.BuildInfo) {
	if info.Main.Path != "" {
		v.Modules = append(v.Modules, newModule(&info.Main))
	}
	for _, m := range info.Deps {
		v.Modules = append(v.Modules, newModule(m))
	}
	vcs := VCS{}
	for _, s := range info.Settings {
		v.Settings[text(s.Key)] = text(s.Value)
		switch s.Key {
		case "vcs":
			vcs.System = text(s.Value)
		case "vcs.revision":
			vcs.Revision = text(s.Value)
		case "vcs.time":
			if _, err := time.Parse(time.RFC3339, s.Value); err == nil {
				vcs.Time = s.Value
			}
		case "vcs.modified":
			vcs.Modified = s.Value == "true"
		}
	}
	if vcs != (VCS{}) {
		v.VCS = &vcs
	}
}

func newModule(m *debug.Module) Module {
	v := Module{Path: text(m.Path), Version: text(m.Version), Sum: text(m.Sum)}
	if m.Replace != nil {
		replace := newModule(m.Replace)
		v.Replace = &replace
	}
	return v
}

// NewInspectedFunction returns the wire form of a function.
func NewInspectedFunction(f *inspect.Function) InspectedFunction {
	v := InspectedFunction{
		Name: text(f.Name), Address: Address(f.Entry), SizeBytes: f.Size, Wrapper: f.Wrapper, Assembly: f.Assembly,
		InlinedInto: make([]string, 0, len(f.InlinedInto)), InlinedIntoTotal: f.InlinedTotal,
		Hook: InspectedHook{Verdict: newVerdict(f.Hook.Verdict)}, Patch: newVerdict(f.Patch),
	}
	for _, name := range f.InlinedInto {
		v.InlinedInto = append(v.InlinedInto, text(name))
	}
	add := func(at string, p symbol.Point) {
		v.Hook.Points = append(v.Hook.Points, HookPoint{At: at, OffsetBytes: p.Addr - f.Entry, Instruction: p.Op, Cost: inspect.Cost(p)})
	}
	if f.Hook.Entry != nil {
		add("entry", *f.Hook.Entry)
	}
	for _, p := range f.Hook.Returns {
		add("return", p)
	}
	return v
}

func newVerdict(v inspect.Verdict) Verdict { return Verdict{OK: v.OK, Reason: text(v.Reason)} }

// WriteInspection writes one JSON object: the fields of head and then functions
// as an array, one to a line, so that a program with hundreds of thousands of
// them takes no more memory than another. It stops at the first error, of w or
// of functions, and returns it; what was written is no complete document then.
func WriteInspection(w io.Writer, head *Inspection, functions iter.Seq2[inspect.Function, error]) error {
	text, err := json.MarshalIndent(head, "", "  ")
	if err != nil {
		return err
	}
	text, ok := bytes.CutSuffix(text, []byte("\n}"))
	if !ok {
		return errors.New("a document that does not end in a brace")
	}
	if _, err := fmt.Fprintf(w, "%s,\n  \"functions\": [", text); err != nil {
		return err
	}
	separator := "\n    "
	for f, err := range functions {
		if err != nil {
			return err
		}
		line, err := json.Marshal(NewInspectedFunction(&f))
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, separator); err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		separator = ",\n    "
	}
	_, err = io.WriteString(w, "\n  ]\n}\n")
	return err
}
