// Package objective has the nouns of the second room: what a service promises,
// which events count, and what has to be said when the promise is in danger.
//
// What comes in: [SLO] values, from the files of package openslo and its
// neighbours, or proposed by an agent.
//
// The stages: [SLO.Validate] says all that is wrong with one, as a list of
// [Problem]s that name the field; [SLO.Objectives] are what package sli computes
// with, one for each window; [Indicator.Selects] and [Indicator.IsBad] judge one
// event by its attributes.
//
// What goes out: values. Nothing here reads a clock, a file or the network.
//
// What it refuses: objectives whose alerts can never fire, whose windows are
// shorter than what their alerts look back, indicators of signals that no probe
// sees.
package objective
