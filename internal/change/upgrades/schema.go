package upgrades

import "github.com/goshawk-io/goshawk/internal/model"

// Probe is the name under which upgrades are events.
const Probe = "upgrade"

// Summary says what they are, for the reference.
const Summary = "upgrades of servers that use package upgrade: how long each part took, and why one was rolled back"

// The keys of the fields.
const (
	KeyKind       = "goshawk.upgrade.kind"
	KeyOutcome    = "goshawk.upgrade.outcome"
	KeyFailure    = "error.type"
	KeyReason     = "goshawk.upgrade.reason"
	KeyGeneration = "goshawk.upgrade.generation"
	KeyPID        = "process.pid"
	KeyNextPID    = "goshawk.upgrade.next_pid"
	KeyStarted    = "goshawk.upgrade.started_ns"
	KeyReady      = "goshawk.upgrade.ready_ns"
	KeyPassive    = "goshawk.upgrade.passive_ns"
	KeyResumed    = "goshawk.upgrade.resumed_ns"
	KeyOpen       = "goshawk.upgrade.connections"
)

// The kinds of events.
const (
	KindUpgrade   = "upgrade"
	KindSpawn     = "spawn"
	KindWarm      = "warm"
	KindHandOver  = "hand_over"
	KindProbation = "probation"
	KindDrain     = "drain"
)

// The positions of the fields in Schema.Fields.
const (
	fieldKind = iota
	fieldOutcome
	fieldGeneration
	fieldPID
	fieldNextPID
	fieldStarted
	fieldReady
	fieldPassive
	fieldResumed
	fieldOpen
	fieldFailure
	fieldReason
	fieldCount
)

// Schema returns the description of the events. An upgrade is one trace: the upgrade, and
// its parts below it.
func Schema() *model.Schema {
	duration := func(key, summary string) model.Field {
		return model.Field{Key: key, Kind: model.KindDuration, Unit: "ns", Summary: summary}
	}
	f := make([]model.Field, fieldCount)
	f[fieldKind] = model.Field{Key: KeyKind, Kind: model.KindString, Column: "KIND", Width: 10, Summary: "upgrade, or a part of one: spawn, warm, hand_over, probation, drain; drain also for the end of a process without an upgrade."}
	f[fieldOutcome] = model.Field{Key: KeyOutcome, Kind: model.KindString, Column: "OUTCOME", Width: 12, Outcome: true, Summary: "committed, rolled_back, or running when nothing could be started; of an upgrade alone."}
	f[fieldGeneration] = model.Field{Key: KeyGeneration, Kind: model.KindInt, Column: "GEN", Width: 4, Summary: "Generation of the new process, or of the one that drains; the first one is 1."}
	f[fieldPID] = model.Field{Key: KeyPID, Kind: model.KindInt, Summary: "Process that tells it, in the root PID namespace: the old one of an upgrade."}
	f[fieldNextPID] = model.Field{Key: KeyNextPID, Kind: model.KindInt, Column: "NEW", Width: 8, Summary: "New process, in the PID namespace of the old one."}
	f[fieldStarted] = duration(KeyStarted, "From the begin until the new process ran its first code of the library.")
	f[fieldReady] = duration(KeyReady, "From the begin until the new process accepted connections.")
	f[fieldPassive] = duration(KeyPassive, "From the begin until the old process accepted none.")
	f[fieldResumed] = duration(KeyResumed, "From the moment in which the failure was noticed until the old process accepted again.")
	f[fieldOpen] = model.Field{Key: KeyOpen, Kind: model.KindInt, Unit: "{connection}", Summary: "Connections that the old process had open at the end."}
	f[fieldFailure] = model.Field{Key: KeyFailure, Kind: model.KindString, Summary: "rolled_back, not_started, or connections_cut; unset when all went well."}
	f[fieldReason] = model.Field{Key: KeyReason, Kind: model.KindString, Column: "REASON", Summary: "Why it was rolled back, or connections were cut."}
	return &model.Schema{
		Probe: Probe, Fields: f, Failure: KeyFailure,
		Span:   &model.Span{Kind: model.SpanInternal, Name: KeyKind},
		Groups: []string{KeyKind},
		Metrics: []model.Metric{
			{
				Name: "goshawk.upgrade.duration", Kind: model.Histogram, Unit: "s", Summary: "How long upgrades took, until the new process had taken over or the old one served again.",
				Labels: []model.Label{{Name: "goshawk_upgrade_outcome", Field: KeyOutcome}}, When: KeyOutcome,
			},
			{
				Name: "goshawk.upgrade.part.duration", Kind: model.Histogram, Unit: "s", Summary: "How long the parts of upgrades took.",
				Labels: []model.Label{{Name: "goshawk_upgrade_kind", Field: KeyKind}}, When: KeyKind,
			},
		},
	}
}
