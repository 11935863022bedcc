// Package pyrra reads the objectives of Pyrra: pyrra.dev/v1alpha1
// ServiceLevelObjective.
//
// What comes in is a document; out comes the draft of an objective. The metrics
// that it names become the queries that Pyrra makes of them, with {{.window}} for
// the range; its alerts are the four that Pyrra generates, scaled to the window.
// What has no field is kept in Extra, by its path in the document.
//
// It refuses metrics that are more than a selector, and windows that are too short
// for Pyrra's alerts. The alert for a metric that is absent is kept and not made.
package pyrra
