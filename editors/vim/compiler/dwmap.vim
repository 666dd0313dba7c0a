" :make checks the project; every message is one line: file:line:column: error[DW0101]: message
if exists('current_compiler')
  finish
endif
let current_compiler = 'dwmap'

CompilerSet makeprg=dwmap\ check\ --format\ short
CompilerSet errorformat=%f:%l:%c:\ %trror[DW%n]:\ %m,%f:%l:%c:\ %tarning[DW%n]:\ %m,%f:%l:%c:\ %tint[DW%n]:\ %m,%-G%.%#
