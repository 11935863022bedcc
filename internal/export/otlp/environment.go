package otlp

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// signal is what the environment says about one kind of telemetry.
type signal struct {
	// name is "traces" or "metrics".
	name string
	on   bool
	// grpc tells the protocol from the HTTP ones, which the client tells apart.
	grpc bool
	// variable and endpoint are where the data goes and who said so.
	variable, endpoint string
}

// Enabled reports whether the environment asks for OTLP export of anything:
// an endpoint variable is set and nothing turns its signal off. A nil getenv
// is not allowed.
func Enabled(getenv func(string) string) bool {
	quiet := slog.New(slog.DiscardHandler)
	return readSignal(getenv, quiet, "traces").on || readSignal(getenv, quiet, "metrics").on
}

// readSignal reads the variables of one signal. What is not understood is
// logged and ignored, as the OpenTelemetry specification wants it.
func readSignal(getenv func(string) string, log *slog.Logger, name string) signal {
	s := signal{name: name}
	upper := strings.ToUpper(name)
	s.variable, s.endpoint = firstSet(getenv, "OTEL_EXPORTER_OTLP_"+upper+"_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if s.endpoint == "" || strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") {
		return s
	}
	s.on = true
	chooser := "OTEL_" + upper + "_EXPORTER"
	if text := strings.TrimSpace(getenv(chooser)); text != "" {
		exporters := strings.Split(strings.ReplaceAll(text, " ", ""), ",")
		s.on = slices.Contains(exporters, "otlp")
		for _, exporter := range exporters {
			if exporter != "otlp" && exporter != "none" {
				log.Warn("exporter is not supported", "variable", chooser, "exporter", exporter, "supported", "otlp, none")
			}
		}
	}
	variable, protocol := firstSet(getenv, "OTEL_EXPORTER_OTLP_"+upper+"_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	switch protocol {
	case "grpc":
		s.grpc = true
	case "", "http/protobuf":
	case "http/json":
		if name == "metrics" {
			log.Warn("protocol is not supported for metrics, using http/protobuf", "variable", variable, "protocol", protocol)
		}
	default:
		log.Warn("protocol is not known, using http/protobuf", "variable", variable, "protocol", protocol)
	}
	return s
}

// firstSet returns the first of the variables that is set and not empty.
func firstSet(getenv func(string) string, variables ...string) (variable, value string) {
	for _, variable := range variables {
		if value := strings.TrimSpace(getenv(variable)); value != "" {
			return variable, value
		}
	}
	return "", ""
}

// check refuses endpoints that the client would silently replace by its
// default, or fail on with every request.
func (s signal) check() error {
	u, err := url.Parse(s.endpoint)
	if err != nil {
		return fmt.Errorf("%s: %q is not a URL such as http://localhost:4317", s.variable, s.endpoint)
	}
	if s.grpc {
		return nil // also a gRPC target, "dns:///collector:4317"
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" || u.Host == "" {
		return fmt.Errorf("%s: %q is not a URL such as http://localhost:4318", s.variable, s.endpoint)
	}
	return nil
}

// String returns the endpoint without a password.
func (s signal) String() string {
	u, err := url.Parse(s.endpoint)
	if err != nil {
		return s.variable
	}
	return u.Redacted()
}

// ResourceAttributes reads OTEL_RESOURCE_ATTRIBUTES, key=value pairs with
// percent-encoded values, into pairs in their order; of equal keys the last
// counts. Any error discards all of it, as the specification wants it.
func ResourceAttributes(getenv func(string) string) ([][2]string, error) {
	const variable = "OTEL_RESOURCE_ATTRIBUTES"
	var pairs [][2]string
	for part := range strings.SplitSeq(getenv(variable), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		key, keyErr := url.PathUnescape(strings.TrimSpace(key))
		value, valueErr := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || keyErr != nil || valueErr != nil {
			return nil, fmt.Errorf("%s: %q is not key=value with percent-encoding", variable, part)
		}
		pairs = slices.DeleteFunc(pairs, func(p [2]string) bool { return p[0] == key })
		pairs = append(pairs, [2]string{key, value})
	}
	return pairs, nil
}
