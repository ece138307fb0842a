package writer

// kept are rows of one kind that commands save whole, by key: what the batch has so far, and what the
// command that runs has saved.
type kept[Key comparable, Row any] struct {
	batch kin[Key, Row]
	own   kin[Key, Row]
}

// kin are rows in the order of their first save.
type kin[Key comparable, Row any] struct {
	keys []Key
	rows []Row
	at   map[Key]int
}

func (k *kin[Key, Row]) find(key Key) (row Row, found bool) {
	i, found := k.at[key]
	if !found {
		return row, false
	}
	return k.rows[i], true
}

func (k *kin[Key, Row]) save(key Key, row Row) {
	if i, found := k.at[key]; found {
		k.rows[i] = row
		return
	}
	if k.at == nil {
		k.at = map[Key]int{}
	}
	k.at[key] = len(k.rows)
	k.keys, k.rows = append(k.keys, key), append(k.rows, row)
}

func (k *kin[Key, Row]) clear() {
	clear(k.at)
	clear(k.keys)
	clear(k.rows)
	k.keys, k.rows = k.keys[:0], k.rows[:0]
}

// find returns the row as it stands for the command that runs, where a command of the batch saved it.
func (k *kept[Key, Row]) find(key Key) (Row, bool) {
	if row, found := k.own.find(key); found {
		return row, true
	}
	return k.batch.find(key)
}

func (k *kept[Key, Row]) save(key Key, row Row) { k.own.save(key, row) }

// leave ends a command: what it saved joins the batch, or is dropped.
func (k *kept[Key, Row]) leave(keep bool) {
	if len(k.own.rows) == 0 {
		return
	}
	if keep {
		for i, key := range k.own.keys {
			k.batch.save(key, k.own.rows[i])
		}
	}
	k.own.clear()
}

func (k *kept[Key, Row]) end() { k.batch.clear() }
