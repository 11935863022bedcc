package series

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Bounds of what names a series: what is beyond is a mistake of the caller, such
// as a whole URL for a route, and an error.
const (
	maxLabels     = 32
	maxLabelBytes = 1024
)

// Label is one pair of a series' labels.
type Label struct {
	Name, Value string
}

// Labels are sorted by name, no name twice, without the metric's name.
type Labels []Label

// Get returns the value of a label, "" where there is none: to the query
// language these are the same.
func (l Labels) Get(name string) string {
	i, found := slices.BinarySearchFunc(l, name, func(l Label, name string) int { return strings.Compare(l.Name, name) })
	if !found {
		return ""
	}
	return l[i].Value
}

// Name is what tells a series from others.
type Name struct {
	// Metric is the metric's name, "" for what a query computed.
	Metric string
	// Labels are all others.
	Labels Labels
}

// String returns the name as the query language writes it: a selector of the
// series.
func (n Name) String() string {
	if len(n.Labels) == 0 && n.Metric != "" {
		return n.Metric
	}
	var b strings.Builder
	b.WriteString(n.Metric)
	b.WriteByte('{')
	for i, l := range n.Labels {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// stored turns a name into the store's form. Labels without a value are left
// out, as the store does.
func stored(metric string, pairs []Label) (labels.Labels, error) {
	if metric == "" || !model.LegacyValidation.IsValidMetricName(metric) {
		return labels.EmptyLabels(), fmt.Errorf("series %q: not a metric's name", metric)
	}
	if len(pairs) > maxLabels {
		return labels.EmptyLabels(), fmt.Errorf("series %s: %d labels, %d at most", metric, len(pairs), maxLabels)
	}
	b := labels.NewScratchBuilder(len(pairs) + 1)
	b.Add(model.MetricNameLabel, metric)
	for _, p := range pairs {
		if err := p.check(); err != nil {
			return labels.EmptyLabels(), fmt.Errorf("series %s: label %q: %w", metric, p.Name, err)
		}
		if p.Value != "" {
			b.Add(p.Name, p.Value)
		}
	}
	b.Sort()
	l := b.Labels()
	if name, twice := l.HasDuplicateLabelNames(); twice {
		return labels.EmptyLabels(), fmt.Errorf("series %s: label %q: is there twice", metric, name)
	}
	return l, nil
}

func (l Label) check() error {
	switch {
	case l.Name == model.MetricNameLabel:
		return errors.New("is the metric's name")
	case !model.LegacyValidation.IsValidLabelName(l.Name):
		return errors.New("not a label's name")
	case !utf8.ValidString(l.Value):
		return fmt.Errorf("value %q is not UTF-8", l.Value)
	case len(l.Value) > maxLabelBytes:
		return fmt.Errorf("value has %d bytes, %d at most", len(l.Value), maxLabelBytes)
	}
	return nil
}

// nameOf turns the store's form into a name.
func nameOf(l labels.Labels) Name {
	n := Name{Labels: make(Labels, 0, l.Len())}
	l.Range(func(l labels.Label) {
		if l.Name == model.MetricNameLabel {
			n.Metric = l.Value
			return
		}
		n.Labels = append(n.Labels, Label{l.Name, l.Value})
	})
	return n
}
