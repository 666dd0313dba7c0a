" Colours for .dwmap files.
if exists('b:current_syntax')
  finish
endif

syntax case match
" Later definitions win: names first, then the words that are more than a name.
syntax match dwmapField "\<\h\w*\>"
syntax match dwmapCall "\<\h\w*\ze\s*("
syntax match dwmapExpectation "\<\%(nothing\|writes\|reject\|park\|conflict\|seed\)\>\ze\s*\%($\|//\|\d\|DW\|\h\w* \d\)"
syntax match dwmapPolicy "\%(\%(conflict\|delete\|exit\|rekey\|error\|split\|else\|->\|<-\)\s\+\|because\@=\)\@<=\<\%(newest\|prefer\|manual\|delete\|set\|refuse\|ignore\|detach\|deactivate\|reject\|rename\|retry\|park\|pause\|first\|last\|because\)\>\%(\s*[:(.]\)\@!"
syntax match dwmapPolicy "\<because\>\ze\s\+\""
syntax match dwmapAction "\%(\%(else\|missing\|->\|<-\)\s\+\|^\s\+\)\@<=\<\%(reject\|park\|skip\|create\)\>\%(\s*[:(.]\)\@!"
syntax match dwmapOperatorWord "\<\%(and\|or\|not\|in\|if\|then\|else\)\>\%(\s*\%(:\|<->\|<\~>\)\)\@!"
syntax match dwmapConstant "\<\%(true\|false\|null\|it\)\>\%(\s*\%([:(]\|<->\|<\~>\)\)\@!"
syntax match dwmapType "\%([:<]\s*\|<->\s*\)\@<=\<\%(bool\|int32\|int64\|decimal\|float64\|text\|guid\|date\|time\|datetime\|binary\|lookup\|enum\|choice\|choices\|set\)\>\%(\s*\%(->\|<-\|(\)\)\@!"
syntax match dwmapMark "\s\@<=\<\%(required\|readonly\|modified\)\>\%(\s*\%($\|//\|readonly\|required\|modified\)\)\@="
syntax match dwmapClause "\<\%(via\|modulo\|when\|else\|loses\|split\)\>\%(\s*\%(:\|<->\|<\~>\)\)\@!"
syntax match dwmapEvent "\%(\<on\s\+\)\@<=\<\%(create\|update\|missing\|conflict\|delete\|exit\|rekey\|error\)\>"
syntax match dwmapClause "\<on\>\ze\s\+\%(create\|update\|missing\|conflict\|delete\|exit\|rekey\|error\)\>"
syntax match dwmapMember "^\s\+\zs\<\%(version\|partition\|key\|filter\|override\|drop\|seal\|for\|on\)\>\%(\s*\%(:\|<->\|<\~>\|->\|<-\)\)\@!"
syntax match dwmapMember "^\s\+\zsfilter\>\ze\s\+<- "
syntax match dwmapRole "\%(^\s\+\%(\%(partition\|key\|unique\)\s\+\)*\)\@<=\<\%(partition\|key\|unique\)\>\%(\s*\%(:\|<->\|<\~>\|->\|<-\)\)\@!\ze\s\+[^:]*\h\w*\s*:"
syntax match dwmapStep "^\s\+\zs\<\%(given\|edit\|delete\|expect\|roundtrip\)\>\ze\s\+[^:<-]"
syntax match dwmapHead "\s\@<=\<\%(as\|from\|extends\|in\)\>\ze\s\+["`{A-Za-z]"
syntax match dwmapItem "^\<\%(use\|system\|entity\|profile\|values\|fn\|canon\|iso\|param\|map\|test\)\>\%(\s*\%(:\|<->\|<\~>\|->\|<-\)\)\@!"
syntax match dwmapProperty "\<\h\w*\ze\s*:"
syntax match dwmapName "\%(^\%(system\|entity\|profile\|values\|fn\|canon\|iso\|param\|map\)\s\+\)\@<=[[:alnum:]_.`]\+"
syntax match dwmapNumber "\<\d\+\%(\.\d\+\)*\>"
syntax match dwmapOperator "\.\.=\|++\|??\|==\|!=\|<=\|>=\|[-+*/<>=?|]"
syntax match dwmapArrow "<->\|->\|<-"
syntax match dwmapLossyArrow "<\~>"
syntax match dwmapQuoted "`[^`]\+`"
syntax match dwmapEscape contained "\\."
syntax region dwmapText start=+"+ skip=+\\.+ end=+"+ oneline contains=dwmapEscape
syntax match dwmapComment "//.*$" contains=@Spell
syntax match dwmapDoc "///.*$" contains=@Spell

highlight default link dwmapField Normal
highlight default link dwmapCall Function
highlight default link dwmapAction Special
highlight default link dwmapPolicy Special
highlight default link dwmapOperatorWord Operator
highlight default link dwmapConstant Constant
highlight default link dwmapType Type
highlight default link dwmapMark StorageClass
highlight default link dwmapClause Statement
highlight default link dwmapEvent Statement
highlight default link dwmapRole Statement
highlight default link dwmapMember Statement
highlight default link dwmapStep Statement
highlight default link dwmapExpectation Statement
highlight default link dwmapHead Keyword
highlight default link dwmapItem Keyword
highlight default link dwmapName Structure
highlight default link dwmapProperty Identifier
highlight default link dwmapNumber Number
highlight default link dwmapOperator Operator
highlight default link dwmapArrow Operator
highlight default link dwmapLossyArrow WarningMsg
highlight default link dwmapQuoted Identifier
highlight default link dwmapEscape SpecialChar
highlight default link dwmapText String
highlight default link dwmapComment Comment
highlight default link dwmapDoc SpecialComment

let b:current_syntax = 'dwmap'
