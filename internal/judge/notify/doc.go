// Package notify tells people and other programs of alerts: by webhook, by a
// command, or through an Alertmanager.
//
// What comes in: after each evaluation the full set of active alerts and those
// that were newly resolved ([Notifier.Notify], which does not block); the
// [Receiver]s, at the start and whenever the configuration changes.
//
// The stages: labels are completed and brought within bounds, and name the alert
// by their fingerprint; each destination has a table of the alerts that are for
// it, of which only the latest state waits; [Notifier.Run] has a worker for each
// destination, so that one that hangs holds up nobody else; what every
// destination was told is kept in a small file, so that a restart neither
// repeats nor forgets.
//
// What goes out: the JSON of Alertmanager's webhook, version 4, one alert in each
// ([Webhook], and on the stdin of a [Command]), or the alerts of Alertmanager's
// API v2 ([Alertmanager]), which are sent again each minute while they fire, to
// each member of a cluster; and [Stats] of what was delivered.
//
// Delivery is at least once: an answer that got lost, or a crash between the
// delivery and the writing of the file, repeats a notification. An attempt of
// which nobody knows whether it arrived counts as arrived when it comes to
// resolving, so that no page stays open.
//
// What it refuses: to follow redirects, which would carry secrets to whom the
// configuration does not name, and of which most turn a POST into a GET; to
// run a command through a shell; to write secrets, and the paths of URLs, into
// logs and errors; to believe an answer without bound.
package notify
