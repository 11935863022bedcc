package policy

import "fmt"

// Finding is a place that breaks a rule.
type Finding struct {
	// Path is the file, or the folder when no file is to blame.
	Path string
	// Line is the line in the file, 0 for all of it.
	Line int
	// Text says what is wrong there.
	Text string
}

// String returns "path:line: text".
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// Rule is one rule of the repository.
type Rule struct {
	// Name is what it is called, and its fixture in testdata.
	Name string
	// Why is printed with its findings.
	Why string
	// Check returns every place that breaks it.
	Check func(*Tree) []Finding
}

// Rules returns all rules. Those with a number are ARCHITECTURE.md's.
func Rules() []Rule {
	return []Rule{
		{"arrows-point-down",
			"cmd -> cli -> agent, hub -> api, ui, export, store, pipeline -> rooms -> model, platform -> public: a lower layer that knows a higher one cannot be read, tested or replaced alone", checkArrows},
		{"1-rooms-apart",
			"rooms never import each other: a room declares the small interface it needs, and agent, hub and cli wire them", checkRooms},
		{"2-model-is-nouns",
			"model imports the standard library and sli: everything imports model, so what it imports everything has", checkModel},
		{"3-probes-are-listed",
			"only probes/registry.go imports probe folders, and it lists each: a probe is its folder plus one line", checkProbes},
		{"4-ebpf-has-a-place",
			"cilium/ebpf only below observe/, platform/ and prove/fuzz: elsewhere events are values, testable without a kernel", checkEBPF},
		{"5-public-packages-are-light",
			"public packages import the standard library and x/sys: users get no dependency they did not ask for; an adapter is a package below them", checkPublic},
		{"6-api-types-by-hand",
			"api/v1 is what users script against: it must not change because a type inside did, and every --json uses it", checkAPI},
		{"7-no-init",
			"no init(): what a program does begins in main and is visible there", checkInit},
		{"7-no-mutable-globals",
			"no package-level mutable state: two instances in one process, and tests in parallel, must not meet", checkState},
		{"7-loggers-are-arguments",
			"the default logger is a global: take a *slog.Logger", checkLoggers},
		{"budget-functions", "a function is read whole: p95 <= 60 lines, none over 100", checkFunctions},
		{"budget-files", "a file has one subject: none over 600 lines", checkFiles},
		{"budget-interfaces", "an interface is what its consumer needs: at most 5 methods", checkInterfaces},
		{"package-comments", "the package comment is where a reader starts", checkPackageComments},
		{"exported-names-documented",
			"all exported names of public packages, and 4 of 5 below internal/, say what they are", checkExportedDocs},
		{"package-names", "a package is named after an idea: these names take anything", checkPackageNames},
		{"skips-in-testutil", "a skip has one door, internal/testutil, so that CI can count them and turn them into failures", checkSkips},
		{"required-packages-installed", "`make test` installs what tests require: .ci/packages must name it", checkRequiredPackages},
		{"nothing-left-open", "what is left open is finished or said in an issue, not in a comment", checkLeftOpen},
		{"spdx-lines", "BPF C is under two licences, said in each file: SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause, and SPDX-FileCopyrightText", checkSPDX},
		{"no-machine-paths", "a path of the machine it was written on means nothing to others", checkMachinePaths},
		{"links-resolve", "a link in the documentation leads somewhere", checkLinks},
		{"readme-names-commands", "README.md names the two commands a newcomer needs: make run, make test", checkReadme},
	}
}
