package notify

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// webhookBody is the JSON of Alertmanager's webhook, version 4.
type webhookBody struct {
	Receiver          string            `json:"receiver"`
	Status            State             `json:"status"`
	Alerts            []webhookAlert    `json:"alerts"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"`
}

type webhookAlert struct {
	Status       State             `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// apiAlert is one of Alertmanager's API v2.
type apiAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// encodeWebhook returns the body for one alert, which is a group of its own: as
// if Alertmanager grouped by all labels. So what a bridge keeps by groupKey is
// resolved when this alert is, and not before.
func encodeWebhook(receiver, externalURL string, a Alert) ([]byte, error) {
	annotations := a.described()
	return json.Marshal(webhookBody{
		Receiver: receiver, Status: a.State,
		Alerts: []webhookAlert{{
			Status: a.State, Labels: a.Labels, Annotations: annotations,
			StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL, Fingerprint: fingerprint(a.Labels),
		}},
		GroupLabels: a.Labels, CommonLabels: a.Labels, CommonAnnotations: annotations,
		ExternalURL: externalURL, Version: "4", GroupKey: "{}:" + labelText(a.Labels),
	})
}

// encodeAlerts returns the body of a request to an Alertmanager, for which those
// that fire end at until unless it hears of them again.
func encodeAlerts(alerts []Alert, until time.Time) ([]byte, error) {
	list := make([]apiAlert, len(alerts))
	for i, a := range alerts {
		list[i] = apiAlert{Labels: a.Labels, Annotations: a.described(), StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL}
		if a.State == Firing {
			list[i].EndsAt = instant(until, a.StartsAt)
		}
	}
	return json.Marshal(list)
}

// described returns the annotations of a, with its value.
func (a Alert) described() map[string]string {
	annotations := maps.Clone(a.Annotations)
	if _, taken := annotations["value"]; !taken && finite(a.Value) {
		annotations["value"] = number(a.Value)
	}
	return annotations
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// labelText returns labels as Prometheus writes them.
func labelText(labels map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, name+"="+strconv.Quote(labels[name]))
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}
