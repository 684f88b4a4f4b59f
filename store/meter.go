package store

// Meter counts the bytes of what is read against a bound: Query.MaxBytes, EventQuery.MaxBytes.
type Meter struct {
	Max  int // 0 and less: no bound
	read int
}

// Add counts n bytes more. When there are more than Max, it returns an error that matches
// ErrInvalid, and says what to do.
func (m *Meter) Add(n int) error {
	m.read += n
	if m.Max > 0 && m.read > m.Max {
		return Errorf(ErrInvalid, "Invalid request: The answer would be longer than %d bytes: narrow the limit, the filter or the fields", m.Max)
	}
	return nil
}

// What a key or an event takes beside its texts, about: the struct, and each entry of a list.
const (
	fixedBytes = 200
	entryBytes = 16
)

// Bytes returns about how much memory the event takes.
func (e Event) Bytes() int {
	n := fixedBytes + len(e.KeyID) + len(e.Actor) + len(e.RequestID)
	for name, value := range e.Details {
		n += 2*entryBytes + len(name) + len(value)
	}
	return n
}
