package http

import (
	"errors"
	"fmt"
	"math"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// absent is ABSENT of request.h: the offset of a field that is not there.
const absent = math.MaxUint16

// field is where an offset goes.
type field struct {
	to                 *uint16
	structType, member string
}

// layoutOf finds where an executable's structs keep what the programs read.
// Without the fields of net/http and the runtime there is nothing to see;
// those of a module that is not known cost what they tell only.
func layoutOf(b *symbol.Binary) (probe.Layout, error) {
	l := &bpfLayout{}
	r := layoutReader{binary: b}
	for _, f := range coreFields(l) {
		if err := r.read(f); err != nil {
			return probe.Layout{}, fmt.Errorf("where %s is in %s: %w", f.member, f.structType, err)
		}
	}
	r.readPattern(l)
	r.readMap(l)
	r.findReader(l)
	for _, f := range moduleFields(l) {
		r.readIf(f)
	}
	return probe.Layout{Value: l, Assumed: r.assumed, Off: r.off}, nil
}

func coreFields(l *bpfLayout) []field {
	const request, url = "net/http.Request", "net/url.URL"
	return []field{
		{&l.G_goid, "runtime.g", "goid"}, {&l.G_m, "runtime.g", "m"}, {&l.G_gopc, "runtime.g", "gopc"}, {&l.M_curg, "runtime.m", "curg"},
		{&l.M_p, "runtime.m", "p"}, {&l.P_runnext, "runtime.p", "runnext"},
		{&l.RequestMethod, request, "Method"}, {&l.RequestUrl, request, "URL"}, {&l.RequestProto, request, "ProtoMajor"},
		{&l.RequestHeader, request, "Header"}, {&l.RequestUri, request, "RequestURI"}, {&l.RequestHost, request, "Host"}, {&l.RequestRemote, request, "RemoteAddr"},
		{&l.RequestTls, request, "TLS"}, {&l.RequestLength, request, "ContentLength"},
		{&l.UrlScheme, url, "Scheme"}, {&l.UrlHost, url, "Host"}, {&l.UrlPath, url, "Path"},
		{&l.ResponseStatus, "net/http.response", "status"}, {&l.ResponseWritten, "net/http.response", "written"},
		{&l.Http2State, "net/http.http2responseWriter", "rws"},
		{&l.Http2Status, "net/http.http2responseWriterState", "status"},
		{&l.Http2Written, "net/http.http2responseWriterState", "wroteBytes"},
		{&l.ReplyStatus, "net/http.Response", "StatusCode"},
	}
}

func moduleFields(l *bpfLayout) []field {
	const stream, streamState = "golang.org/x/net/http2.responseWriter", "golang.org/x/net/http2.responseWriterState"
	const chi, gin, echo = "github.com/go-chi/chi/v5.Context", "github.com/gin-gonic/gin.Context", "github.com/labstack/echo/v4.context"
	const span, context = "go.opentelemetry.io/otel/sdk/trace.recordingSpan", "go.opentelemetry.io/otel/trace.SpanContext"
	return []field{
		{&l.Xhttp2State, stream, "rws"}, {&l.Xhttp2Status, streamState, "status"}, {&l.Xhttp2Written, streamState, "wroteBytes"},
		{&l.ChiPatterns, chi, "RoutePatterns"}, {&l.ChiParent, chi, "parentCtx"},
		{&l.GinPath, gin, "fullPath"}, {&l.GinRequest, gin, "Request"},
		{&l.EchoPath, echo, "path"}, {&l.EchoRequest, echo, "request"},
		{&l.GorillaTemplate, "github.com/gorilla/mux.routeRegexp", "template"},
		{&l.SpanContext, span, "spanContext"}, {&l.SpanParent, span, "parent"},
		{&l.ContextTrace, context, "traceID"}, {&l.ContextSpan, context, "spanID"}, {&l.ContextFlags, context, "traceFlags"},
		{&l.ContextRemote, context, "remote"},
	}
}

// layoutReader looks fields up and remembers what it had to assume.
type layoutReader struct {
	binary  *symbol.Binary
	assumed string
	off     []model.ProbeFault
}

func (r *layoutReader) read(f field) error {
	*f.to = absent
	found, err := r.binary.Field(f.structType, f.member)
	if err != nil {
		return err
	}
	if found.Offset >= absent {
		return fmt.Errorf("offset %d is too large", found.Offset)
	}
	*f.to = uint16(found.Offset)
	if found.Source == symbol.Assumed {
		r.assumed = "the newest known release"
	}
	return nil
}

// readIf is read for a field that not every program has.
func (r *layoutReader) readIf(f field) bool {
	err := r.read(f)
	lacks := errors.Is(err, symbol.ErrUnknownModule) || errors.Is(err, symbol.ErrNoField) || errors.Is(err, symbol.ErrUnknownStruct)
	if err != nil && !lacks {
		r.off = append(r.off, model.ProbeFault{
			Part: f.structType, Cause: err.Error(), Missing: "routes of this router; paths are reduced to templates instead",
			Hint: "report the version of the module that goshawk inspect shows",
		})
	}
	return err == nil
}

// findReader finds the code that starts the goroutine by which net/http notices
// that a client goes away, where that is a function of its own: what it starts
// is not the request's.
func (r *layoutReader) findReader(l *bpfLayout) {
	start, end, ok := r.binary.Func("net/http.(*connReader).startBackgroundRead")
	if !ok {
		return
	}
	l.ReaderStart = uint32(start + r.binary.LoadBias(0))
	l.ReaderBytes = uint32(end - start)
}

// readPattern finds where a request keeps the pattern that http.ServeMux found:
// since Go 1.23 as a text, in 1.22 behind a pointer.
func (r *layoutReader) readPattern(l *bpfLayout) {
	l.PatternText = absent
	switch {
	case r.readIf(field{&l.RequestPattern, "net/http.Request", "Pattern"}):
		l.PatternKind = uint8(bpfPatternKindPATTERN_STRING)
	case r.readIf(field{&l.RequestPattern, "net/http.Request", "pat"}) && r.readIf(field{&l.PatternText, "net/http.pattern", "str"}):
		l.PatternKind = uint8(bpfPatternKindPATTERN_POINTER)
	}
}

// readMap finds how maps lie in memory: in tables of groups since Go 1.24, in
// buckets before, and where the experiment of tables is turned off.
func (r *layoutReader) readMap(l *bpfLayout) {
	const swiss, table, groups, buckets = "internal/runtime/maps.Map", "internal/runtime/maps.table", "internal/runtime/maps.groupsReference", "runtime.hmap"
	kinds := []struct {
		kind   bpfMapKind
		fields []field
	}{
		{bpfMapKindMAP_BUCKETS, []field{{&l.MapCount, buckets, "count"}, {&l.MapLog, buckets, "B"}, {&l.MapData, buckets, "buckets"}}},
		{bpfMapKindMAP_SWISS, []field{
			{&l.MapCount, swiss, "used"}, {&l.MapLog, swiss, "dirLen"}, {&l.MapData, swiss, "dirPtr"},
			{&l.TableGroups, table, "groups"}, {&l.GroupsData, groups, "data"}, {&l.GroupsMask, groups, "lengthMask"},
		}},
	}
	for _, k := range kinds {
		found := true
		for _, f := range k.fields {
			found = found && r.readIf(f)
		}
		if found {
			l.MapKind = uint8(k.kind)
			return
		}
	}
}
