package v1

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/model"
)

// AppendEvent appends the JSON of [NewEvent](e), without allocating but to
// grow dst. Streams of events are written with it: encoding/json takes ten
// times as long. The attributes come in the order of the schema, the event's
// own weight last.
func AppendEvent(dst []byte, e *model.Event) []byte {
	dst = append(dst, `{"time":"`...)
	dst = e.Time.UTC().AppendFormat(dst, timeLayout)
	dst = appendStringField(append(dst, '"'), "probe", e.Schema.Probe)
	if e.Phase == model.PhaseStart {
		dst = append(dst, `,"phase":"start"`...)
	}
	dst = append(dst, `,"pid":`...)
	dst = strconv.AppendInt(dst, int64(e.PID), 10)
	dst = appendStringField(dst, "service", e.Service)
	if e.Duration >= 0 {
		dst = append(dst, `,"duration_ns":`...)
		dst = strconv.AppendInt(dst, int64(e.Duration), 10)
	}
	if e.TraceID != (model.TraceID{}) {
		dst = appendHexField(dst, "trace_id", e.TraceID[:])
	}
	if e.SpanID != (model.SpanID{}) {
		dst = appendHexField(dst, "span_id", e.SpanID[:])
	}
	if e.ParentSpanID != (model.SpanID{}) {
		dst = appendHexField(dst, "parent_span_id", e.ParentSpanID[:])
	}
	if e.GoroutineID != 0 {
		dst = append(dst, `,"goroutine_id":`...)
		dst = strconv.AppendUint(dst, e.GoroutineID, 10)
	}
	if e.ContainerID != "" {
		dst = appendStringField(dst, "container_id", e.ContainerID)
	}
	if e.PodUID != "" {
		dst = appendStringField(dst, "k8s_pod_uid", e.PodUID)
	}
	dst = appendAttributes(append(dst, `,"attributes":{`...), e)
	dst = append(dst, '}')
	dst = appendStack(dst, e.Stack)
	dst = appendFindings(dst, e.Findings)
	return append(dst, '}')
}

func appendAttributes(dst []byte, e *model.Event) []byte {
	first := true
	for i, v := range e.Values {
		if !v.IsSet() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		field := &e.Schema.Fields[i]
		dst = append(appendString(dst, field.Key), ':')
		dst = appendValue(dst, field.Kind, v)
	}
	if e.Weight > 1 {
		if !first {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(append(dst, `"`+weightKey+`":`...), min(e.Weight, math.MaxInt64), 10)
	}
	return dst
}

func appendValue(dst []byte, kind model.Kind, v model.Value) []byte {
	switch kind {
	case model.KindString:
		return appendString(dst, v.Str())
	case model.KindStrings:
		dst = append(dst, '[')
		n := 0
		for s := range v.Strings() {
			if n++; n > 1 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, s)
		}
		return append(dst, ']')
	case model.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case model.KindTime:
		dst = append(dst, '"')
		dst = time.Unix(0, v.Int()).UTC().AppendFormat(dst, timeLayout)
		return append(dst, '"')
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

func appendStack(dst []byte, stack []model.Frame) []byte {
	if len(stack) == 0 {
		return dst
	}
	dst = append(dst, `,"stack":[`...)
	for i, f := range stack {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"func":`...), f.Func)
		dst = appendStringField(dst, "file", f.File)
		dst = append(dst, `,"line":`...)
		dst = append(strconv.AppendInt(dst, int64(f.Line), 10), '}')
	}
	return append(dst, ']')
}

func appendFindings(dst []byte, findings []model.Finding) []byte {
	if len(findings) == 0 {
		return dst
	}
	dst = append(dst, `,"findings":[`...)
	for i, f := range findings {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"rule":`...), f.Rule)
		dst = appendStringField(dst, "severity", f.Severity.String())
		dst = appendStringField(dst, "evidence", f.Evidence)
		dst = append(appendStringField(dst, "remedy", f.Remedy), '}')
	}
	return append(dst, ']')
}

func appendStringField(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ',', '"'), name...), '"', ':')
	return appendString(dst, value)
}

func appendHexField(dst []byte, name string, id []byte) []byte {
	dst = append(append(append(dst, ',', '"'), name...), '"', ':', '"')
	return append(hex.AppendEncode(dst, id), '"')
}

// appendNumber appends f in the shortest form, which for a whole number has no
// fraction.
func appendNumber(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'f', -1, 64) }

// appendString appends s as a JSON string. What is not valid UTF-8 becomes
// U+FFFD; U+2028 and U+2029 are escaped, as JavaScript wants them.
func appendString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(append(dst, s[from:i]...), "\uFFFD"...)
			// A run of bad bytes becomes one mark, as in strings.ToValidUTF8.
			for i++; i < len(s); i++ {
				if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n != 1 {
					break
				}
			}
			from = i
			continue
		case r == '\u2028', r == '\u2029':
			dst = append(append(dst, s[from:i]...), '\\', 'u', '2', '0', '2', digits[r&15])
			from = i + n
		}
		i += n
	}
	return append(append(dst, s[from:]...), '"')
}

// AppendListEnd appends the members of a [List] that follow its items.
func AppendListEnd(dst []byte, next string, incomplete []string) []byte {
	if next != "" {
		dst = appendStringField(dst, "next", next)
	}
	if len(incomplete) == 0 {
		return dst
	}
	dst = append(dst, `,"incomplete":[`...)
	for i, s := range incomplete {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}
