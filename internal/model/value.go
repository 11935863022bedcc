package model

import (
	"iter"
	"strings"
	"time"
)

// Kind is the type of a field's value.
type Kind uint8

// The kinds of value a field can hold.
const (
	// KindString is text. It may hold any bytes: renderers make it valid.
	KindString Kind = iota
	// KindStrings is a list of texts, none of which contains a NUL.
	KindStrings
	// KindInt is a signed integer.
	KindInt
	// KindBool is true or false.
	KindBool
	// KindDuration is a span of time, rendered in integer nanoseconds.
	KindDuration
	// KindTime is a point in time.
	KindTime
)

// String returns the kind's name as the reference docs print it.
func (k Kind) String() string {
	switch k {
	case KindString:
		return "string"
	case KindStrings:
		return "string[]"
	case KindInt:
		return "int"
	case KindBool:
		return "bool"
	case KindDuration:
		return "duration"
	case KindTime:
		return "time"
	}
	return "unknown"
}

// Value is the value of one field of one event. The zero Value means that the
// field was not observed, which is different from an empty or zero value.
//
// A value does not carry its kind: the field of the schema does. Strings may
// alias a reader's buffer until [Event.Clone] detaches them.
type Value struct {
	set bool
	num int64
	str string
}

// StringValue returns s as a value of [KindString].
func StringValue(s string) Value { return Value{set: true, str: s} }

// IntValue returns n as a value of [KindInt].
func IntValue(n int64) Value { return Value{set: true, num: n} }

// BoolValue returns b as a value of [KindBool].
func BoolValue(b bool) Value {
	v := Value{set: true}
	if b {
		v.num = 1
	}
	return v
}

// DurationValue returns d as a value of [KindDuration].
func DurationValue(d time.Duration) Value { return Value{set: true, num: int64(d)} }

// TimeValue returns t, to the nanosecond, as a value of [KindTime].
func TimeValue(t time.Time) Value { return Value{set: true, num: t.UnixNano()} }

// StringsValue returns a value of [KindStrings] from texts that each end in a
// NUL, the form in which the kernel keeps a process's arguments. A missing
// last NUL is tolerated. Nothing is copied.
func StringsValue(nulTerminated string) Value { return Value{set: true, str: nulTerminated} }

// IsSet reports whether the field was observed.
func (v Value) IsSet() bool { return v.set }

// Str returns the text of a [KindString] value.
func (v Value) Str() string { return v.str }

// Int returns the number of a [KindInt] value.
func (v Value) Int() int64 { return v.num }

// Bool returns the truth of a [KindBool] value.
func (v Value) Bool() bool { return v.num != 0 }

// Duration returns the span of a [KindDuration] value.
func (v Value) Duration() time.Duration { return time.Duration(v.num) }

// Time returns the point in time of a [KindTime] value, in UTC.
func (v Value) Time() time.Time { return time.Unix(0, v.num).UTC() }

// Strings yields the texts of a [KindStrings] value in order.
func (v Value) Strings() iter.Seq[string] {
	return func(yield func(string) bool) {
		rest := v.str
		for rest != "" {
			text, after, _ := strings.Cut(rest, "\x00")
			if !yield(text) {
				return
			}
			rest = after
		}
	}
}
