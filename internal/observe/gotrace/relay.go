package gotrace

import (
	"errors"

	"golang.org/x/exp/trace"
)

const (
	// batchSize is how many events are handed over at once, some 800 KiB: with a tenth of
	// it goroutines that wake each other take a tenth more time.
	batchSize = 8192
	// batchesAhead is how many batches may wait.
	batchesAhead = 2
)

// batch is a part of a generation's events.
type batch struct {
	events []trace.Event
	// ended are the tasks whose ends are among the events, in order. The reader notes their
	// types as it goes on: no other goroutine may look there meanwhile.
	ended []trace.Task
}

func newBatch() *batch { return &batch{events: make([]trace.Event, 0, batchSize)} }

// errAbandoned ends a reader whose events nobody wants any more.
var errAbandoned = errors.New("the events are not wanted")

// relay reads the events of the generation in a goroutine of its own and writes their
// records in this one: reading takes as long as all else together. Records and error
// are those of doing both in turn.
func (p *parser) relay(last bool) error {
	full, empty := make(chan *batch, batchesAhead), make(chan *batch, batchesAhead+2)
	stop := make(chan struct{})
	var readErr error
	go func() {
		defer close(full)
		readErr = p.fill(last, full, empty, stop)
	}()
	err := p.drain(full, empty)
	close(stop)
	for range full {
		// Until the reader has ended.
	}
	if err != nil {
		return err
	}
	return readErr
}

// fill reads events into batches, and hands over those that came before an error too.
func (p *parser) fill(last bool, full, empty chan *batch, stop <-chan struct{}) error {
	b := newBatch()
	give := func() error {
		select {
		case full <- b:
		case <-stop:
			return errAbandoned
		}
		select {
		case b = <-empty:
			b.events, b.ended = b.events[:0], b.ended[:0]
		default:
			b = newBatch()
		}
		return nil
	}
	place := func() *trace.Event { return &b.events[:len(b.events)+1][len(b.events)] }
	err := p.read(last, place, func(e *trace.Event) error {
		if e.Kind() == trace.EventTaskEnd {
			b.ended = append(b.ended, e.Task())
		}
		// It is in its place.
		if b.events = b.events[:len(b.events)+1]; len(b.events) == batchSize {
			return give()
		}
		return nil
	})
	if giveErr := give(); giveErr != nil {
		return giveErr
	}
	return err
}

// drain writes the records of batches until there are no more.
func (p *parser) drain(full <-chan *batch, empty chan<- *batch) (err error) {
	defer damaged(&err)
	for b := range full {
		ended := b.ended
		for i := range b.events {
			e := &b.events[i]
			var task trace.Task
			if e.Kind() == trace.EventTaskEnd {
				task, ended = ended[0], ended[1:]
			}
			if err := p.write(e, task); err != nil {
				return err
			}
		}
		select {
		case empty <- b:
		default:
		}
	}
	return nil
}
