package v1

import "github.com/goshawk-io/goshawk/internal/model"

// Record is an event as the API answers with it.
type Record struct {
	// ID names the event for good.
	ID string `json:"id"`
	// Weight is how many events of its kind it stands for: 1 unless the probe
	// or the store left some out. The attribute goshawk.weight is the probe's
	// part of it.
	Weight float64 `json:"weight"`
	Event
}

// NewRecord returns the wire form of r.
func NewRecord(r model.Record) Record {
	return Record{ID: r.Event.ID().String(), Weight: r.Weight, Event: NewEvent(r.Event)}
}

// AppendRecord appends the JSON of [NewRecord](r), without allocating but to
// grow dst.
func AppendRecord(dst []byte, r model.Record) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, r.Event.ID().String()...)
	dst = append(dst, `","weight":`...)
	dst = appendNumber(dst, r.Weight)
	dst = append(dst, ',')
	from := len(dst)
	dst = AppendEvent(dst, r.Event)
	// The members of the event follow those of the record in one object.
	return append(dst[:from], dst[from+1:]...)
}
