package store

import "fmt"

// Level is what this program knows of keys: it misreads none whose attributes are of this level or
// a lower one. The first change that sets an attribute of a higher level than the store has raises
// the level of the store ([Tx].Raise), once no program with a lower one is running, and from then
// on those cannot open it. Programs that knew no levels have 1.
const Level = 2

// extension is an attribute that gives power and came after the first proofs.
type extension struct {
	// name is unique, and stays so when the extension is gone: it is in the proofs and in the
	// column proof_names.
	name string
	// level is the least Level of programs that know it.
	level int
	// always: every record has it, also those from before it was covered. It is covered when it can
	// be and never makes a change fail. Others are covered in every record that sets them.
	always bool
	// set reports whether the stored form of the key has it (the column is not NULL). Every other
	// way to write that it is not set must have been brought into that form before the record is
	// sealed.
	set func(*Key) bool
	// value writes it into what is proved, so that no two values give the same bytes.
	value func(*transcript, *Key)
}

// extensions are append-only: a proof depends on their order.
var extensions = []extension{
	{name: "created_by", level: 2, always: true,
		set: func(*Key) bool { return true }, value: func(t *transcript, k *Key) { t.text(k.CreatedBy) }},
}

// setExtensions returns the names of those that are set, in the order of the table, and whether one
// of them must be covered.
func setExtensions(extensions []extension, k *Key) (names []string, needed bool) {
	names = make([]string, 0, len(extensions))
	for _, x := range extensions {
		if x.set(k) {
			names = append(names, x.name)
			needed = needed || !x.always
		}
	}
	return names, needed
}

// knowsAll returns nil, or an error that matches ErrNewerRecord and ErrUnavailable when the
// record's proof covers an extension that is not among these.
func knowsAll(extensions []extension, r *Record) error {
	if r.Evidence == nil {
		return nil
	}
names:
	for _, name := range r.Evidence.ProofNames {
		for _, x := range extensions {
			if x.name == name {
				continue names
			}
		}
		return fmt.Errorf("store: key %s has the attribute %.100q, which this program does not know. Use the newer program: %w: %w",
			r.Key.ID, name, ErrUnavailable, ErrNewerRecord)
	}
	return nil
}
