package policy

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// eachLine calls visit for every line of the files that keep chooses, with
// numbers from 1.
func (t *Tree) eachLine(keep func(name string) bool, visit func(f File, number int, line string)) {
	for _, f := range t.Files {
		if !keep(f.Path) {
			continue
		}
		number := 0
		for line := range strings.Lines(string(f.Data)) {
			number++
			visit(f, number, strings.TrimRight(line, "\r\n"))
		}
	}
}

// isText is true of what people write here.
func isText(name string) bool {
	switch path.Ext(name) {
	case ".go", ".c", ".h", ".md", ".sh", ".txtar", ".yaml", ".yml", ".js", ".css", ".html", ".txt":
		return !strings.HasPrefix(name, "LICENSES/")
	}
	return path.Base(name) == "Makefile" || strings.HasPrefix(name, ".ci/")
}

func checkLeftOpen(t *Tree) []Finding {
	// In pieces, so that this file passes.
	mark := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)
	var found []Finding
	t.eachLine(isText, func(f File, number int, line string) {
		if m := mark.FindString(line); m != "" {
			found = append(found, Finding{f.Path, number, "says " + m})
		}
	})
	return found
}

func checkSPDX(t *Tree) []Finding {
	identifier := regexp.MustCompile(`SPDX-License-Identifier: \(?GPL-2\.0-only OR BSD-2-Clause\)?( \*/)?$`)
	copyright := regexp.MustCompile(`SPDX-FileCopyrightText: \S`)
	var found []Finding
	for _, f := range t.Files {
		if ext := path.Ext(f.Path); ext != ".c" && ext != ".h" {
			continue
		}
		head := bytes.SplitN(f.Data, []byte("\n"), 5) // a build constraint stands above them
		for _, want := range []*regexp.Regexp{identifier, copyright} {
			if !slices.ContainsFunc(head[:min(4, len(head))], want.Match) {
				found = append(found, Finding{f.Path, 1, fmt.Sprintf("its first lines lack %q", want)})
			}
		}
	}
	return found
}

// checkMachinePaths reads binary files too: a compiler may write its folder
// into an object.
func checkMachinePaths(t *Tree) []Finding {
	// The brackets keep this file from matching; \w and the rest before the
	// slash are those of a path that only contains such a name.
	machine := regexp.MustCompile(`(?:^|[^\w./%})\]*+-])(/w[o]rk/|/r[o]ot/|/tm[p]/[a-z]+/[a-z]+)`)
	var found []Finding
	t.eachLine(func(string) bool { return true }, func(f File, number int, line string) {
		if m := machine.FindStringSubmatch(line); m != nil {
			found = append(found, Finding{f.Path, number, "names " + m[1]})
		}
	})
	return found
}

func checkLinks(t *Tree) []Finding {
	link := regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	code := regexp.MustCompile("`[^`]*`")
	known := map[string]bool{".": true}
	for _, f := range t.Files {
		for name := f.Path; name != "."; name = path.Dir(name) {
			known[name] = true
		}
	}
	var found []Finding
	fenced := false
	t.eachLine(func(name string) bool { return path.Ext(name) == ".md" }, func(f File, number int, line string) {
		if number == 1 {
			fenced = false
		}
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			return
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, ""), -1) {
			target, err := url.Parse(m[1])
			if err == nil && (target.Scheme != "" || target.Host != "" || target.Path == "") {
				continue
			}
			if err != nil || !resolves(known, path.Dir(f.Path), target.Path) {
				found = append(found, Finding{f.Path, number, "the link to " + m[1] + " leads nowhere"})
			}
		}
	})
	return found
}

// resolves follows target from the folder dir, or from the repository when it
// starts with a slash.
func resolves(known map[string]bool, dir, target string) bool {
	name := path.Join(dir, target)
	if strings.HasPrefix(target, "/") {
		name = path.Clean(strings.TrimPrefix(target, "/"))
	}
	// testdata is not read, so it is not known; a link there is taken as good.
	return fs.ValidPath(name) && (known[name] || strings.Contains(name, "testdata"))
}

func checkReadme(t *Tree) []Finding {
	var found []Finding
	readme := t.read("README.md")
	for _, command := range []string{"make run", "make test"} {
		if !bytes.Contains(readme, []byte(command)) {
			found = append(found, Finding{Path: "README.md", Text: "lacks `" + command + "`"})
		}
	}
	return found
}
