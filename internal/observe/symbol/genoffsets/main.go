package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const toolchains = "go1.20.14,go1.21.13,go1.22.12,go1.23.12,go1.24.13,go1.25.7,go1.26.8"

// row is one minor release.
type row struct {
	minor  int
	values values
	from   []string
}

// values are what the table says of a release.
type values struct {
	goid                                  int64
	wrapper, gopanic, sigpanic, panicwrap int64
}

func main() {
	out := flag.String("o", "", "write the table to `file` instead of standard output")
	list := flag.String("toolchains", toolchains, "comma-separated `names`, oldest first")
	flag.Parse()
	if err := run(*out, strings.Split(*list, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "genoffsets:", err)
		os.Exit(1)
	}
}

func run(out string, names []string) error {
	dir, err := os.MkdirTemp("", "genoffsets")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var rows []row
	for _, name := range names {
		minor, err := minorOf(name)
		if err != nil {
			return err
		}
		for _, arch := range []string{"amd64", "arm64"} {
			v, err := measure(dir, name, arch)
			if err != nil {
				return fmt.Errorf("%s %s: %w", name, arch, err)
			}
			if len(rows) == 0 || rows[len(rows)-1].minor != minor {
				rows = append(rows, row{minor: minor, values: v})
			}
			last := &rows[len(rows)-1]
			if last.values != v {
				return fmt.Errorf("%s %s: %+v, but %+v before", name, arch, v, last.values)
			}
			last.from = append(last.from, name+" "+arch)
		}
	}
	text, err := render(rows)
	if err != nil {
		return err
	}
	if out == "" {
		_, err = os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(out, text, 0o644)
}

// minorOf returns N of "go1.N.P".
func minorOf(name string) (int, error) {
	rest, ok := strings.CutPrefix(name, "go1.")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	if !ok || err != nil {
		return 0, fmt.Errorf("%s: not the name of a toolchain", name)
	}
	return n, nil
}

// measure builds a program with one toolchain and reads its DWARF.
func measure(dir, toolchain, arch string) (values, error) {
	files := map[string]string{"go.mod": "module example.com/tiny\n\ngo 1.20\n", "main.go": "package main\n\nfunc main() {}\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return values{}, err
		}
	}
	bin := filepath.Join(dir, "tiny")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain, "GOOS=linux", "GOARCH="+arch,
		"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GO111MODULE=", "GOEXPERIMENT=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return values{}, fmt.Errorf("go build: %w: %s", err, text)
	}
	if info, err := buildinfo.ReadFile(bin); err != nil || info.GoVersion != toolchain {
		return values{}, fmt.Errorf("go build: not the work of this toolchain: %v %v", info, err)
	}
	f, err := elf.Open(bin)
	if err != nil {
		return values{}, err
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		return values{}, err
	}
	return read(data)
}

// read takes the values from the DWARF of a program.
func read(data *dwarf.Data) (values, error) {
	v := values{goid: -1, wrapper: -1, gopanic: -1, sigpanic: -1, panicwrap: -1}
	constants := map[string]*int64{
		"FuncIDWrapper": &v.wrapper, "FuncID_gopanic": &v.gopanic,
		"FuncID_sigpanic": &v.sigpanic, "FuncID_panicwrap": &v.panicwrap,
	}
	r := data.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			return v, err
		}
		if e == nil {
			break
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		switch {
		case e.Tag == dwarf.TagStructType && name == "runtime.g":
			if v.goid, err = member(data, e.Offset, "goid"); err != nil {
				return v, err
			}
		case e.Tag == dwarf.TagConstant:
			if field := constants[constantName(name)]; field != nil {
				if n, ok := e.Val(dwarf.AttrConstValue).(int64); ok {
					*field = n
				}
			}
		}
	}
	if v.goid < 0 || v.wrapper < 0 || v.gopanic < 0 || v.sigpanic < 0 || v.panicwrap < 0 {
		return v, fmt.Errorf("incomplete: %+v", v)
	}
	return v, nil
}

// constantName returns the name that Go 1.21 and newer give to a constant,
// empty for constants of other packages.
func constantName(name string) string {
	if short, ok := strings.CutPrefix(name, "internal/abi."); ok {
		return short
	}
	if name == "runtime.funcID_wrapper" {
		return "FuncIDWrapper"
	}
	if short, ok := strings.CutPrefix(name, "runtime.funcID_"); ok {
		return "FuncID_" + short
	}
	return ""
}

func member(data *dwarf.Data, at dwarf.Offset, name string) (int64, error) {
	t, err := data.Type(at)
	if err != nil {
		return 0, err
	}
	if s, ok := t.(*dwarf.StructType); ok {
		for _, f := range s.Field {
			if f.Name == name {
				return f.ByteOffset, nil
			}
		}
	}
	return 0, errors.New("runtime.g has no " + name)
}

func render(rows []row) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("// Code generated by genoffsets; DO NOT EDIT.\n\npackage symbol\n\n")
	b.WriteString("// releases returns what is known of every minor release, oldest first.\n")
	b.WriteString("func releases() []release {\n\treturn []release{\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "\t\t// %s\n", strings.Join(r.from, ", "))
		fmt.Fprintf(&b, "\t\t{minor: %d, goid: %d, ids: funcIDs{wrapper: %d, gopanic: %d, sigpanic: %d, panicwrap: %d}},\n",
			r.minor, r.values.goid, r.values.wrapper, r.values.gopanic, r.values.sigpanic, r.values.panicwrap)
	}
	b.WriteString("\t}\n}\n")
	return format.Source(b.Bytes())
}
