package v1

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// StartOf puts a start together from what is kept of the startup probe's events,
// in any order. Of several starts it takes the earliest.
func StartOf(records []Record) (*startup.Start, error) {
	events := make([]*model.Event, 0, len(records))
	for i := range records {
		e, err := startupEvent(&records[i])
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return startup.Read(events)
}

// startupEvent returns an event with the schema that its attributes have.
func startupEvent(r *Record) (*model.Event, error) {
	schema := &model.Schema{Probe: r.Probe}
	e := &model.Event{Schema: schema, Time: time.Time(r.Time), PID: r.PID, Duration: -1, Service: r.Service}
	if r.DurationNS != nil {
		e.Duration = time.Duration(*r.DurationNS)
	}
	if r.Phase == "start" {
		e.Phase = model.PhaseStart
	}
	for _, id := range []struct {
		text string
		into []byte
	}{{r.TraceID, e.TraceID[:]}, {r.SpanID, e.SpanID[:]}, {r.ParentSpanID, e.ParentSpanID[:]}} {
		if err := decodeID(id.into, id.text); err != nil {
			return nil, fmt.Errorf("event %s: %w", r.ID, err)
		}
	}
	for key, value := range r.Attributes {
		kind, v := startupValue(value)
		if v.IsSet() {
			schema.Fields = append(schema.Fields, model.Field{Key: key, Kind: kind})
			e.Values = append(e.Values, v)
		}
	}
	return e, nil
}

// decodeID reads an id in hex; an empty text is no id.
func decodeID(into []byte, text string) error {
	if text == "" {
		return nil
	}
	if hex.DecodedLen(len(text)) != len(into) {
		return fmt.Errorf("the id %q has not %d bytes", text, len(into))
	}
	if _, err := hex.Decode(into, []byte(text)); err != nil {
		return fmt.Errorf("the id %q: %w", text, err)
	}
	return nil
}

// startupValue returns a decoded attribute. A list ends each text with a zero
// byte, so none can be in one.
func startupValue(value any) (model.Kind, model.Value) {
	switch v := value.(type) {
	case string:
		return model.KindString, model.StringValue(v)
	case int64:
		return model.KindInt, model.IntValue(v)
	case bool:
		return model.KindBool, model.BoolValue(v)
	case []string:
		var b strings.Builder
		for _, s := range v {
			b.WriteString(strings.ReplaceAll(s, "\x00", "\uFFFD") + "\x00")
		}
		return model.KindStrings, model.StringsValue(b.String())
	}
	return model.KindString, model.Value{}
}
