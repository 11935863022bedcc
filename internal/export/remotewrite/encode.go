package remotewrite

import (
	"math"
	"strings"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// encode returns a request of a version, compressed.
func encode(v Protocol, list []series.Stored, external series.Labels) []byte {
	if v == V1 {
		return snappy.Encode(nil, encodeV1(list, external))
	}
	return snappy.Encode(nil, encodeV2(list, external))
}

// encodeV1 returns a prometheus.WriteRequest:
//
//	WriteRequest { repeated TimeSeries timeseries = 1 }
//	TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2 }
//	Label        { string name = 1; string value = 2 }
//	Sample       { double value = 1; int64 timestamp = 2 }
func encodeV1(list []series.Stored, external series.Labels) []byte {
	var out, one, part []byte
	for i := range list {
		one = one[:0]
		for _, l := range labelsOf(&list[i].Name, external) {
			part = appendText(part[:0], 1, l.Name)
			part = appendText(part, 2, l.Value)
			one = appendMessage(one, 1, part)
		}
		one = appendSamples(one, list[i].Numbers)
		out = appendMessage(out, 1, one)
	}
	return out
}

// encodeV2 returns an io.prometheus.write.v2.Request:
//
//	Request    { repeated string symbols = 4; repeated TimeSeries timeseries = 5 }
//	TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2; Metadata metadata = 5 }
//	Metadata   { MetricType type = 1 }
func encodeV2(list []series.Stored, external series.Labels) []byte {
	symbols, known := []string{""}, map[string]uint64{"": 0}
	symbol := func(text string) uint64 {
		ref, ok := known[text]
		if !ok {
			ref = uint64(len(symbols))
			symbols, known[text] = append(symbols, text), ref
		}
		return ref
	}
	var all, one, part []byte
	for i := range list {
		part = part[:0]
		for _, l := range labelsOf(&list[i].Name, external) {
			part = protowire.AppendVarint(part, symbol(l.Name))
			part = protowire.AppendVarint(part, symbol(l.Value))
		}
		one = appendMessage(one[:0], 1, part)
		one = appendSamples(one, list[i].Numbers)
		part = protowire.AppendTag(part[:0], 1, protowire.VarintType)
		part = protowire.AppendVarint(part, typeOf(list[i].Metric))
		one = appendMessage(one, 5, part)
		all = appendMessage(all, 5, one)
	}
	var out []byte
	for _, text := range symbols {
		out = appendText(out, 4, text)
	}
	return append(out, all...)
}

// typeOf returns the type of a metric, of which its name is the only sign: what
// rules record is a gauge.
func typeOf(metric string) uint64 {
	const counter, gauge = 1, 2
	if strings.HasSuffix(metric, "_total") {
		return counter
	}
	return gauge
}

// appendSamples writes samples, which have the same fields in both versions.
func appendSamples(to []byte, numbers []series.Number) []byte {
	var one []byte
	for _, n := range numbers {
		one = protowire.AppendTag(one[:0], 1, protowire.Fixed64Type)
		one = protowire.AppendFixed64(one, math.Float64bits(n.Value))
		one = protowire.AppendTag(one, 2, protowire.VarintType)
		one = protowire.AppendVarint(one, uint64(n.At))
		to = appendMessage(to, 2, one)
	}
	return to
}

func appendMessage(to []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(to, field, protowire.BytesType), message)
}

func appendText(to []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(to, field, protowire.BytesType), text)
}
