package access

// KnownFor is knownFor, for tests.
const KnownFor = knownFor

// Known is how many keys are remembered.
func (s *Service) Known() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}
