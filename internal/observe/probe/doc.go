// Package probe is the contract between a probe and the rest of Goshawk, and
// the one place where eBPF programs are loaded, attached, read and detached.
//
// A probe is a value: a [Spec] with its name, its [model.Schema], the points it
// attaches to and a decoder. The flow, from the kernel outwards:
//
//	eBPF program -> ring buffer -> [Probe.Run] -> [Decoder] -> *model.Event
//
// What comes in are a Spec and the [Host] services that decoders may ask. What
// goes out are events, in order, on one goroutine, and the probe's health.
//
// Each attach point fails alone: [Start] loads what the kernel takes, and
// [Probe.Health] lists the rest with the cause, what users do not see because
// of it and what would help. Only when a required point fails does the probe
// fail as a whole, and never another probe.
//
// The package pins nothing by itself: all that it makes in the kernel is held by
// descriptors and is gone with the process, however that ends. The exception is
// the map of trace contexts, when [Settings] ask for it: it is there for other
// agents and is taken back by [Probe.Close].
package probe
