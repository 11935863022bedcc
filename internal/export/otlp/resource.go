package otlp

import (
	"slices"
	"strings"
)

const (
	serviceName    = "service.name"
	unknownService = "unknown_service:goshawk"
	ownService     = "goshawk"
)

// resources makes the resource of each service. It does not change.
type resources struct {
	// all are the attributes that every resource has.
	all [][2]string
	// own are those of Goshawk's own resource.
	own [][2]string
}

// newResources takes the pairs of OTEL_RESOURCE_ATTRIBUTES and the value of
// OTEL_SERVICE_NAME, which may be empty.
func newResources(host, system, version string, fromEnv [][2]string, ownName string) resources {
	own := [][2]string{{serviceName, ownService}}
	if version != "" {
		own = append(own, [2]string{"service.version", version})
	}
	var all [][2]string
	if host != "" {
		all = append(all, [2]string{"host.name", host})
	}
	all = append(all, [2]string{"os.type", system})
	for _, pair := range fromEnv {
		switch pair[0] {
		case serviceName, "service.version", "service.instance.id":
			own = set(own, pair)
		default:
			all = set(all, pair)
		}
	}
	if ownName != "" {
		own = set(own, [2]string{serviceName, ownName})
	}
	return resources{all: all, own: append(own, all...)}
}

// set replaces the pair of the same key, or adds one.
func set(pairs [][2]string, pair [2]string) [][2]string {
	if i := slices.IndexFunc(pairs, func(p [2]string) bool { return p[0] == pair[0] }); i >= 0 {
		pairs[i] = pair
		return pairs
	}
	return append(pairs, pair)
}

// of returns the attributes of an observed service; empty means that it is
// not known.
func (r resources) of(service string) [][2]string {
	if service == "" {
		service = unknownService
	}
	return append([][2]string{{serviceName, service}}, r.all...)
}

// valid returns text with what is not UTF-8 replaced: protocol buffers refuse
// a whole batch for one bad byte.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
