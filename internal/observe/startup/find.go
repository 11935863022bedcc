package startup

import "github.com/goshawk-io/goshawk/internal/model"

func Find(s *Start) []model.Finding { return nil }

func Rules() []model.Rule { return nil }
