package telemetry

import "strings"

// Operations returns the names of all operations.
func Operations() (all []string) {
	for _, p := range parts {
		for name := range strings.FieldsSeq(p.operations) {
			all = append(all, p.name+"."+name)
		}
	}
	return all
}

// MetricsOf returns all numbers of Keys.
var MetricsOf = metricsOf
