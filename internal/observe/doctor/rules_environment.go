package doctor

import (
	"fmt"
	"go/version"
	"maps"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

func environmentRules() []Rule {
	return []Rule{
		{"shadowed-go", ScopeEnvironment, model.SeverityWarn, "PATH has several Go installations, of which the first hides the others.", shadowedGo},
		{"goroot-mismatch", ScopeEnvironment, model.SeverityError, "GOROOT is set and is not the installation of the go command that runs.", gorootMismatch},
		{"toolchain-mismatch", ScopeEnvironment, model.SeverityError, "go.mod or go.work asks for another Go than the installed one.", toolchainMismatch},
		{"goflags", ScopeEnvironment, model.SeverityError, "GOFLAGS changes what every go command does.", goFlags},
		{"goenv-file", ScopeEnvironment, model.SeverityInfo, "The file of go env -w changes defaults, or is overridden by the environment.", goEnvFile},
		{"gopath-is-goroot", ScopeEnvironment, model.SeverityWarn, "GOPATH is GOROOT.", gopathIsGoroot},
		{"module-mode", ScopeEnvironment, model.SeverityWarn, "Modules are off, there is none, or the workspace does not use it.", moduleMode},
		{"checksums-off", ScopeEnvironment, model.SeverityWarn, "Downloaded modules are not held against the checksum database.", checksumsOff},
		{"godebug-env", ScopeEnvironment, model.SeverityInfo, "GODEBUG is set for all that is started here.", goDebugEnvironment},
	}
}

// value returns a setting in force, empty for the default.
func (e *Environment) value(name string) string { return e.Settings[name].Value }

// said renders a setting and where it comes from.
func (e *Environment) said(name string) string {
	s := e.Settings[name]
	return fmt.Sprintf("%s=%s (%s)", name, clipped(s.Value), s.From)
}

// running returns the installation whose go command runs; ok is false when there is
// none or it is not known.
func (e *Environment) running() (i Installation, ok bool) {
	if len(e.Installations) == 0 || e.Installations[0].Root == "" {
		return Installation{}, false
	}
	return e.Installations[0], true
}

func (i *Installation) String() string {
	v := i.Version
	if v == "" {
		v = "unknown version"
	}
	if i.Path == "" {
		return fmt.Sprintf("%s in %s", v, i.Root)
	}
	return fmt.Sprintf("%s at %s", v, i.Path)
}

func shadowedGo(ev *Evidence) []model.Finding {
	e := ev.Environment
	var known []string
	severity := model.SeverityInfo
	for i := range e.Installations {
		in := &e.Installations[i]
		if in.Root == "" {
			continue
		}
		if len(known) > 0 && in.Version != e.Installations[0].Version {
			severity = model.SeverityWarn
		}
		known = append(known, in.String())
	}
	if len(known) < 2 {
		return nil
	}
	return one(severity, fmt.Sprintf("%d installations in PATH: %s is the one that runs, and hides %s", len(known), known[0], strings.Join(known[1:], ", ")),
		"Keep one installation and let go.mod choose versions (GOTOOLCHAIN=auto), or take the folders of the others off PATH: editors and services may have another PATH, and run another Go.")
}

func gorootMismatch(ev *Evidence) []model.Finding {
	e := ev.Environment
	root := e.GOROOT
	if root == nil {
		return nil
	}
	const remedy = "Unset GOROOT: the go command finds its own. It is in the shell's start files, in a service's unit, or in the file of go env -w (go env -u GOROOT)."
	run, ok := e.running()
	switch {
	case root.Version == "":
		return one(model.SeverityError, e.said("GOROOT")+" has no Go in it: it has no VERSION file", remedy)
	case !ok || run.Root == root.Root:
		return nil
	case run.Version != root.Version:
		return one(model.SeverityError, fmt.Sprintf("%s is %s, and the go command that runs is %s: its compiler and library are of another version", e.said("GOROOT"), root.Version, run.String()), remedy)
	}
	return one(model.SeverityWarn, fmt.Sprintf("%s, and the go command that runs is %s", e.said("GOROOT"), run.String()), remedy)
}

// toolchainMismatch follows the rules of https://go.dev/doc/toolchain.
func toolchainMismatch(ev *Evidence) []model.Finding {
	e, m := ev.Environment, ev.Environment.Module
	run, ok := e.running()
	if m == nil || !ok || !version.IsValid(run.Version) || !version.IsValid(m.Go) {
		return nil
	}
	file := "go.mod"
	if m.Workspace != "" {
		file = "go.work"
	}
	setting, has := run.Version, e.value("GOTOOLCHAIN")
	name, mode, plus := strings.Cut(has, "+")
	switch {
	case has == "local" || name == "" && !plus:
		mode = has
	case strings.HasPrefix(name, "go") && version.IsValid(name):
		setting = name
		if !plus {
			mode = "local"
		}
	case !plus:
		mode = name
	}
	asks := fmt.Sprintf("%s asks for %s", file, m.Go)
	switch {
	case version.Compare(run.Version, "go1.21") < 0 && version.Compare(m.Go, run.Version) > 0:
		return one(model.SeverityWarn, fmt.Sprintf("%s, and %s knows nothing of choosing toolchains: it compiles all the same, as far as that goes", asks, run.String()),
			"Install Go "+strings.TrimPrefix(m.Go, "go")+" or newer.")
	case mode == "local" && version.Compare(m.Go, setting) > 0:
		return one(model.SeverityError, fmt.Sprintf("%s, %s is installed and %s keeps it from using another: go commands here fail", asks, run.String(), e.said("GOTOOLCHAIN")),
			fmt.Sprintf("Install %s or newer, or set GOTOOLCHAIN=auto.", m.Go))
	case mode == "local" && version.IsValid(m.Toolchain) && version.Compare(m.Toolchain, setting) > 0:
		return one(model.SeverityInfo, fmt.Sprintf("%s suggests the toolchain %s; %s is used instead, because of %s", file, m.Toolchain, setting, e.said("GOTOOLCHAIN")),
			"Nothing, if it is meant. Else install that one, or set GOTOOLCHAIN=auto.")
	}
	need := m.Go
	if version.IsValid(m.Toolchain) && version.Compare(m.Toolchain, need) > 0 {
		need = m.Toolchain
	}
	if mode == "local" || version.Compare(need, setting) <= 0 {
		return nil
	}
	if e.value("GOPROXY") == "off" {
		return one(model.SeverityWarn, fmt.Sprintf("%s asks for %s, %s is installed, and %s keeps it from being downloaded", file, need, run.String(), e.said("GOPROXY")),
			fmt.Sprintf("Install %s, or set GOPROXY once to download it.", need))
	}
	return one(model.SeverityInfo, fmt.Sprintf("%s asks for %s, %s is installed: it downloads that one and hands over to it", file, need, run.String()),
		fmt.Sprintf("Nothing, if it is meant: the first command takes longer, and needs GOPROXY. Else install %s.", need))
}

func goFlags(ev *Evidence) []model.Finding {
	e := ev.Environment
	flags := strings.Fields(e.value("GOFLAGS"))
	has := func(list ...string) bool {
		return slices.ContainsFunc(flags, func(f string) bool {
			return slices.Contains(list, f) || strings.HasPrefix(f, "--") && slices.Contains(list, f[1:])
		})
	}
	said := e.said("GOFLAGS")
	var found []model.Finding
	add := func(severity model.Severity, evidence, remedy string) {
		found = append(found, one(severity, evidence, remedy)...)
	}
	const unset = "Take the flag out of GOFLAGS (go env -u GOFLAGS, or unset GOFLAGS), and give it to the commands that need it."
	switch {
	case has("-mod=vendor") && e.Module != nil && !e.Module.Vendor:
		add(model.SeverityError, fmt.Sprintf("%s, and %s has no vendor/modules.txt: go commands that need a module fail", said, e.Module.Dir), "Run go mod vendor, or take -mod=vendor out of GOFLAGS.")
	case has("-mod=mod"):
		evidence := said + ": builds and tests change go.mod and go.sum"
		if e.Module != nil && e.Module.Vendor {
			evidence += ", and the vendor folder is not used"
		}
		add(model.SeverityWarn, evidence, unset)
	}
	if has("-race", "-race=true") {
		add(model.SeverityWarn, said+": all programs that are built have the race detector in them, and take 2 to 20 times as long", unset)
	}
	if has("-insecure") {
		add(model.SeverityWarn, said+": the flag was removed in Go 1.17", "Take it out, and name the hosts in GOINSECURE.")
	}
	if has("-buildvcs=false") {
		add(model.SeverityInfo, said+": programs do not say of which revision they are", unset)
	}
	return found
}

func goEnvFile(ev *Evidence) []model.Finding {
	e := ev.Environment
	if len(e.InFile) == 0 {
		return nil
	}
	var inForce, overridden []string
	for _, name := range slices.Sorted(maps.Keys(e.InFile)) {
		switch value, set := e.Variables[name]; {
		case !set:
			inForce = append(inForce, name)
		case value != e.InFile[name]:
			overridden = append(overridden, name)
		}
	}
	var parts []string
	if len(inForce) > 0 {
		parts = append(parts, "sets "+strings.Join(inForce, ", "))
	}
	if len(overridden) > 0 {
		parts = append(parts, "has another "+strings.Join(overridden, ", ")+" than the environment, which counts")
	}
	if len(parts) == 0 {
		return nil
	}
	return one(model.SeverityInfo, e.EnvFile+" "+clipped(strings.Join(parts, "; ")),
		"Nothing, if it is meant. go env -changed lists what differs from the defaults, go env -u NAME takes a setting out.")
}

func gopathIsGoroot(ev *Evidence) []model.Finding {
	e := ev.Environment
	path, ok := e.Settings["GOPATH"]
	run, known := e.running()
	if !ok || !known || strings.TrimRight(path.Value, "/") != run.Root {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("%s is the GOROOT of %s: downloads and installed programs mix with the distribution", e.said("GOPATH"), run.String()),
		"Unset GOPATH, or set it to a folder of your own: the default is $HOME/go.")
}

func moduleMode(ev *Evidence) []model.Finding {
	e := ev.Environment
	switch mode := e.value("GO111MODULE"); {
	case mode == "off":
		evidence := e.said("GO111MODULE") + ": go commands ignore go.mod and look for packages in GOPATH"
		return one(model.SeverityWarn, evidence, "Unset GO111MODULE (go env -u GO111MODULE).")
	case mode == "auto" && e.Module == nil:
		return one(model.SeverityInfo, e.said("GO111MODULE")+": without a go.mod here go commands look for packages in GOPATH", "Unset GO111MODULE (go env -u GO111MODULE).")
	}
	if e.Module == nil {
		if !e.Asked {
			return nil
		}
		return one(model.SeverityInfo, "neither "+e.Dir+" nor a folder above has a go.mod", "Name the folder of a module, or make one by go mod init.")
	}
	if e.Module.Outside {
		return one(model.SeverityWarn, fmt.Sprintf("%s does not use the module in %s: go commands there say that it is not one of the workspace", e.Module.Workspace, e.Module.Dir),
			"Add it by go work use, or set GOWORK=off.")
	}
	return nil
}

func checksumsOff(ev *Evidence) []model.Finding {
	e := ev.Environment
	var parts []string
	if e.value("GOSUMDB") == "off" {
		parts = append(parts, e.said("GOSUMDB"))
	}
	for _, name := range []string{"GONOSUMDB", "GOPRIVATE", "GOINSECURE"} {
		for pattern := range strings.SplitSeq(e.value(name), ",") {
			if p := strings.TrimSpace(pattern); p == "*" || p == "*.*" || p == "**" || p == "github.com" || p == "github.com/*" {
				parts = append(parts, e.said(name))
				break
			}
		}
	}
	if len(parts) == 0 && e.value("GONOSUMCHECK") != "" {
		return one(model.SeverityInfo, e.said("GONOSUMCHECK")+" is no variable of the go command, and does nothing", "Unset it. GOPRIVATE names modules that are not looked up.")
	}
	if len(parts) == 0 {
		return nil
	}
	return one(model.SeverityWarn, strings.Join(parts, "; ")+": a module that go.sum does not have yet is believed whatever it holds",
		"Keep GOSUMDB, and name in GOPRIVATE only the modules that are yours: GOPRIVATE=git.example.com/team.")
}

func goDebugEnvironment(ev *Evidence) []model.Finding {
	return goDebugFinding(ev.Environment.GoDebug, "", "")
}
