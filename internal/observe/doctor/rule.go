package doctor

import (
	"cmp"
	"slices"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Scope is what a rule judges.
type Scope string

// The scopes.
const (
	ScopeEnvironment Scope = "environment"
	ScopeBinary      Scope = "binary"
	ScopeProcess     Scope = "process"
)

// Rule is one thing that goes wrong.
type Rule struct {
	// Name is stable, and the heading of its section in docs/doctor.md.
	Name string
	// Scope says which part of the evidence it needs.
	Scope Scope
	// Worst is the severity that no finding of the rule exceeds.
	Worst model.Severity
	// Summary says when it speaks.
	Summary string
	// Check returns findings without their Rule. It is only called with the part of
	// its scope there. It changes nothing of the evidence.
	Check func(e *Evidence) []model.Finding
}

// Doc returns where a rule is explained.
func Doc(rule string) string { return "docs/doctor.md#" + rule }

// Rules returns all rules.
func Rules() []Rule {
	return slices.Concat(environmentRules(), networkRules(), binaryRules(), processRules(), memoryRules())
}

// Applies reports whether the evidence has what the rule judges.
func (r *Rule) Applies(e *Evidence) bool {
	switch r.Scope {
	case ScopeEnvironment:
		return e.Environment != nil
	case ScopeBinary:
		return e.Binary != nil
	case ScopeProcess:
		return e.Process != nil
	}
	return false
}

// Diagnose judges evidence by [Rules], the most severe findings first, those of one
// severity in the order of the rules. It neither keeps nor changes e.
func Diagnose(e *Evidence) []model.Finding {
	var found []model.Finding
	for _, rule := range Rules() {
		if !rule.Applies(e) {
			continue
		}
		for _, f := range rule.Check(e) {
			f.Rule = rule.Name
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b model.Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return found
}

func one(severity model.Severity, evidence, remedy string) []model.Finding {
	return []model.Finding{{Severity: severity, Evidence: evidence, Remedy: remedy}}
}
