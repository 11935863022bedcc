// Package rules writes objectives as recording and alerting rules of Prometheus,
// for the engine of the agent and for any server that evaluates such rules.
//
// What comes in: [objective.SLO] values that are valid, and [Options].
//
// The stages: source.go finds what an indicator counts, and how: Goshawk's own
// counters, counters of a query, a query that is written for a window, or a ratio
// (growth.go, direct.go, query.go); slices.go turns events into slices of time,
// calendar.go knows which period it is; sheet.go writes the rules of one objective
// in the order in which they need each other: what happened in each window, the
// share of bad events, its lower bound, the alerts; period.go what is left of the
// budget.
//
// What goes out: [Group]s of [Rule]s as values, what they cannot do as [Warning]s;
// [WriteYAML] and [WriteTests] write the file of rules and the one that proves it
// with promtool.
//
// The series have the names and labels that Sloth gives them, so that its
// dashboards show them, and the arithmetic is that of package sli: a window counts
// events, (t-W, t], and a quiet hour weighs what its events weigh.
//
// What it refuses: objectives that are not valid, two of one name, intervals that
// Prometheus would forget between two evaluations.
package rules
