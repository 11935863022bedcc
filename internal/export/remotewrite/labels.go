package remotewrite

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/export/otlp"
	"github.com/goshawk-io/goshawk/internal/judge/series"
)

const nameLabel = "__name__"

// external returns the labels that are added to all series, by name. The error is
// of the environment alone, which is left out then.
func (o *Options) external() (list series.Labels, err error) {
	all := map[string]string{"job": "goshawk", "instance": o.Host}
	attributes, err := otlp.ResourceAttributes(o.Getenv)
	namespace := ""
	for _, pair := range attributes {
		switch key, value := pair[0], pair[1]; key {
		case "service.name":
			all["job"] = value
		case "service.namespace":
			namespace = value + "/"
		case "service.instance.id":
			all["instance"] = value
		case "service.version":
			// It would make other series of all with each version.
		default:
			if name := labelName(key); CheckLabel(name, "") == nil {
				all[name] = strings.ToValidUTF8(value, "\uFFFD")
			}
		}
	}
	if name := strings.TrimSpace(o.Getenv("OTEL_SERVICE_NAME")); name != "" {
		all["job"] = name
	}
	all["job"] = namespace + all["job"]
	maps.Copy(all, o.Labels)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			list = append(list, series.Label{Name: name, Value: all[name]})
		}
	}
	return list, err
}

// CheckLabel says what is wrong with a label of [Options]. The error completes the
// sentence "the label ...".
func CheckLabel(name, value string) error {
	switch {
	case name != labelName(name) || strings.HasPrefix(name, "__"):
		return errors.New("is no name of a label that may be set")
	case !utf8.ValidString(value):
		return errors.New("has a value that is not UTF-8")
	}
	return nil
}

// labelName makes a label's name of an attribute's key.
func labelName(key string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

// labelsOf returns all labels of a series with its metric's name, sorted.
func labelsOf(name *series.Name, external series.Labels) series.Labels {
	list := make(series.Labels, 0, 1+len(name.Labels)+len(external))
	list = append(list, series.Label{Name: nameLabel, Value: name.Metric})
	list = append(list, name.Labels...)
	for _, l := range external {
		if name.Labels.Get(l.Name) == "" {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
	return list
}
