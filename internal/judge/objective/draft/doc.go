// Package draft has what the readers of all formats share: an objective that is
// being read, and where each of its fields is written.
//
// What comes in are values of package yamldoc. A [Draft] takes the objective and,
// for each field that [objective.SLO.Validate] can speak of, the place in the
// file; [Draft.Check] says there what is wrong. What goes out is the objective,
// when nothing is.
//
// It refuses numbers that only look like decimals, and lengths of time that
// differ by who reads them.
package draft
